#include "tools/pretrain/coord_check.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "kernels/open_backend.h"
#include "libcore/base/units.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/file_system.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/pretrain/device_option.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/verbs.h"

namespace ballast {
namespace {

struct Options {
  std::string model = "lab-llama", stability, device = "auto";
  std::string widths = "64,128,256";
  CoordSettings settings;
  double fail_on = 0;  // 0: never
};

Result<std::vector<int64_t>> parse_widths(const std::string& text) {
  std::vector<int64_t> widths;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    widths.push_back(BALLAST_TRY(parse_count(rest.substr(0, comma))));
    if (widths.back() < 1 || (widths.size() > 1 && widths.back() <= widths[widths.size() - 2]))
      return usage_error("widths do not rise", "--widths", text);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  if (widths.size() < 2)
    return usage_error("a slope needs two widths", "--widths", "accepted: 64,128,256");
  return widths;
}

void print_json(const std::vector<CoordPoint>& points, const std::vector<CoordSlope>& slopes) {
  for (const CoordPoint& p : points) {
    print_out(to_json_line({{"v", 1},
                            {"width", p.width},
                            {"seed", p.seed},
                            {"step", p.step},
                            {"layer", p.layer < 0 ? Json(nullptr) : Json(p.layer)},
                            {"module", p.module},
                            {"mean_abs", json_number(p.mean_abs)}}) +
              "\n");
  }
  for (const CoordSlope& s : slopes) {
    print_out(to_json_line({{"v", 1},
                            {"module", s.module},
                            {"step", s.step},
                            {"slope", json_number(s.slope)},
                            {"judged", s.judged}}) +
              "\n");
  }
}

Result<int> coord_check(const Options& options, const CommonOptions& common) {
  CoordSettings settings = options.settings;
  settings.widths = BALLAST_TRY(parse_widths(options.widths));
  ModelConfig model = BALLAST_TRY(load_model_config(posix_file_system(), options.model));
  model.switches = BALLAST_TRY(apply_switches(model.switches, options.stability, "--stability"));
  if (settings.seq_len > model.max_position_embeddings)
    return usage_error(fmt::format("--seq-len is {}", settings.seq_len), "",
                       fmt::format("the model has {} positions", model.max_position_embeddings));
  const Dtype compute = BALLAST_TRY(compute_type(options.device, "auto"));
  const auto backend =
      BALLAST_TRY(open_backend(options.device, {.threads = common.threads, .compute = compute}));
  const auto points = BALLAST_TRY(measure_coordinates(*backend, model, settings));
  const std::vector<CoordSlope> slopes = coordinate_slopes(points, settings);
  const bool svg = common.output.ends_with(".svg"), png = common.output.ends_with(".png");
  if (svg || png) {
    const std::string title =
        fmt::format("{} {}", options.model, model.switches.mup_base_width > 0 ? "muP" : "standard");
    print_out(BALLAST_TRY(run_gnuplot(coordinate_script(slopes, settings, title, png))));
  } else if (common.json) {
    print_json(points, slopes);
  } else {
    print_out(coordinate_table(slopes, settings));
    print_out("\n" + coordinate_chart(slopes, settings, terminal_columns()));
  }
  if (options.fail_on <= 0) return static_cast<int>(kExitDone);
  for (const CoordSlope& s : slopes) {
    if (s.judged && !(std::abs(s.slope) <= options.fail_on)) return static_cast<int>(kExitNo);
  }
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_coord_check(CLI::App& app, const CommonOptions& common) {
  auto o = std::make_shared<Options>();
  app.add_option("--model", o->model, "config.json or preset, taken to every width")
      ->capture_default_str();
  app.add_option("--stability", o->stability, "switches of the model: mup_base_width=64, ...");
  app.add_option("--widths", o->widths, "hidden sizes, rising")->capture_default_str();
  app.add_option("--steps", o->settings.steps, "updates to look at")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1000}));
  app.add_option("--seeds", o->settings.seeds, "initialisations to average over")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1000}));
  app.add_option("--lr", o->settings.lr, "learning rate of AdamW, larger than for training")
      ->capture_default_str()
      ->check(CLI::Range(1e-9, 1e3));
  app.add_option("--seq-len", o->settings.seq_len, "tokens of a sequence")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{65536}));
  app.add_option("--micro-batch", o->settings.sequences, "sequences of the one batch")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{65536}));
  app.add_option("--fail-on", o->fail_on, "exit 1 when a slope is steeper than this (0: never)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  device_option(app, o->device);
  return [o, &common] { return coord_check(*o, common); };
}

}  // namespace ballast
