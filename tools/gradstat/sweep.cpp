#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/terminal.h"
#include "tools/gradstat/sweep_report.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

constexpr size_t kMostValues = 100;  // of one axis

struct SweepOptions {
  TraceInput input;
  // The thresholds and smoothing factors of the paper (arXiv 2504.02507, tables 6 and 7), and
  // higher thresholds.
  std::vector<std::string> z = {"1.5:4:0.5", "5", "6", "8"};
  std::vector<std::string> alpha = {"0.9", "0.93", "0.95", "0.97", "0.98", "0.99"};
  SweepSettings settings;
  DetectorSettings detector;
};

// "2.5" or "1.5:4:0.5", ends included.
Result<void> add_values(const std::string& word, const std::string& flag,
                        std::vector<double>& values) {
  std::vector<double> parts;
  for (size_t begin = 0; begin <= word.size();) {
    const size_t end = std::min(word.find(':', begin), word.size());
    const Result<double> number = parse_double(word.substr(begin, end - begin));
    if (!number.ok() || parts.size() == 3)
      return usage_error(fmt::format("'{}' is not understood", word), flag,
                         "numbers or FROM:TO:STEP, with commas");
    parts.push_back(*number);
    begin = end + 1;
  }
  if (parts.size() == 1) {
    values.push_back(parts[0]);
    return {};
  }
  if (parts.size() == 2 || !(parts[2] > 0) || parts[1] < parts[0])
    return usage_error(fmt::format("'{}' is no range", word), flag,
                       "FROM:TO:STEP with FROM at most TO and STEP above 0");
  const double count = std::floor((parts[1] - parts[0]) / parts[2] * (1 + 1e-12)) + 1;
  if (count > static_cast<double>(kMostValues))
    return usage_error(fmt::format("'{}' has too many values", word), flag,
                       fmt::format("at most {}", kMostValues));
  // To twelve digits, so that 0.1 three times is the 0.3 that people write.
  for (int i = 0; i < static_cast<int>(count); ++i)
    values.push_back(BALLAST_TRY(parse_double(fmt::format("{:.12g}", parts[0] + i * parts[2]))));
  return {};
}

Result<std::vector<double>> parse_axis(const std::vector<std::string>& words,
                                       const std::string& flag) {
  std::vector<double> values;
  for (const std::string& word : words) BALLAST_TRY(add_values(word, flag, values));
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() > kMostValues)
    return usage_error(fmt::format("{} values are too many", values.size()), flag,
                       fmt::format("at most {}", kMostValues));
  return values;
}

Result<int> run_sweep(SweepOptions& options, const CommonOptions& common) {
  SweepSettings& settings = options.settings;
  settings.z = BALLAST_TRY(parse_axis(options.z, "--z"));
  settings.alpha = BALLAST_TRY(parse_axis(options.alpha, "--alpha"));
  settings.seed = static_cast<uint64_t>(common.seed);
  for (const double z : settings.z)
    for (const double alpha : settings.alpha)
      BALLAST_TRY(make_clipper(cell_spec(settings, z, alpha), "sweep"));
  JudgedNorms norms;
  BALLAST_TRY(read_norms(
      options.input, {options.detector, false, threads_of(common)},
      [&](const JudgedNorm& judged) { norms.add(judged); }, [&] { norms.restart(); }));
  if (norms.healthy() < kLeastHealthy)
    return insufficient_error(
        fmt::format("{} healthy norms are too few to tell calm ones from", norms.healthy()),
        options.input.path, fmt::format("at least {}", kLeastHealthy));
  ThreadPool pool(common.threads);
  ProgressLine line;
  const Sweep result = sweep(norms, settings, pool, [&](double share) {
    line.update(fmt::format("{:.0f} % of the series", 100 * share));
  });
  line.clear();
  const bool svg = common.output.ends_with(".svg");
  if (svg || common.output.ends_with(".png")) {
    const std::string title = fmt::format(
        "{}: ZClip {} over {} norms{}",
        std::filesystem::path(options.input.path).filename().string(), settings.mode, result.steps,
        result.recommended.empty() ? "" : ", framed: most spikes at the fewest false alarms");
    print_out(BALLAST_TRY(run_gnuplot(grid_script(
        sweep_maps(result, settings), svg ? PictureFormat::svg : PictureFormat::png, title))));
  } else {
    print_out(common.json
                  ? sweep_json(result, settings)
                  : sweep_text(result, settings, options.detector.sigmas, terminal_columns(),
                               common.output.empty() && use_color(Stream::out)));
  }
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_sweep(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<SweepOptions>();
  SweepSettings& settings = options->settings;
  add_trace_input(app, options->input);
  app.add_option("--z", options->z, "thresholds: numbers or FROM:TO:STEP, with commas")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--alpha", options->alpha, "smoothing factors, likewise")
      ->delimiter(',')
      ->capture_default_str();
  choice_option(
      app.add_option("--mode", settings.mode, "what spikes are clipped to")->capture_default_str(),
      {"reciprocal", "mean", "max"});
  choice_option(
      app.add_option("--form", settings.form, "statistics of norms, or of their logarithms")
          ->capture_default_str(),
      {"raw", "log"});
  app.add_option("--cap", settings.cap,
                 "norm above which every step is clipped, spike or not; or none")
      ->capture_default_str();
  app.add_option("--warmup", settings.warmup, "norms collected before the first test")
      ->capture_default_str();
  app.add_option("--detector-sigmas", options->detector.sigmas,
                 "deviations of the log norm from which on a norm is part of a spike")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 1000.0));
  app.add_option("--trend", settings.trend,
                 "calm norms: steps around each whose median is the trend")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{3}, int64_t{1000000}));
  app.add_option("--block", settings.block,
                 "calm norms: steps shuffled together; 0: by their correlation")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1000000000}));
  app.add_option("--repeats", settings.repeats, "calm norms: series of each kind")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{10000}));
  return [options, &common] { return run_sweep(*options, common); };
}

}  // namespace ballast
