#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/io/json.h"
#include "tools/gradstat/log_options.h"
#include "tools/gradstat/lr_setup.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

// Which actions an option is for; the others refuse it.
struct Scope {
  const char* option;
  std::vector<std::string> actions;
};

const std::vector<Scope>& scopes() {
  static const std::vector<Scope> table = {{"--distance", {"bound"}},
                                           {"--norm", {"bound"}},
                                           {"--to-tokens", {"transfer", "extend"}},
                                           {"--to-steps", {"transfer", "extend"}},
                                           {"--way", {"extend"}},
                                           {"--transition", {"extend"}},
                                           {"--points", {"values", "bound"}}};
  return table;
}

Result<void> check_scopes(const CLI::App& app, const LrOptions& options) {
  for (const Scope& scope : scopes()) {
    if (app.get_option(scope.option)->count() == 0 ||
        std::ranges::find(scope.actions, options.action) != scope.actions.end())
      continue;
    return usage_error(fmt::format("lr {} does not take it", options.action), scope.option,
                       fmt::format("only lr {}", fmt::join(scope.actions, ", lr ")));
  }
  for (const char* option : {"--log-format", "--map", "--run-name", "--tokens-per-step"})
    if (!options.has_trace() && app.get_option(option)->count() > 0)
      return usage_error("there is no log that it could speak of", option, "name a trace");
  if (options.action == "bound" && options.has_trace() && app.get_option("--norm")->count() > 0)
    return usage_error("the trace has the norms", "--norm", "leave one of them out");
  return {};
}

XyChart values_chart(const LrSetup& setup, const std::vector<int64_t>& borders) {
  XyChart chart;
  chart.title = "learning rate";
  chart.x_label = setup.batches.constant() && setup.batches.first() == 1 ? "step" : "tokens";
  chart.y_label = setup.peak_lr > 0 ? "learning rate" : "multiple of the peak";
  for (const NamedSchedule& named : setup.schedules) {
    XyCurve curve;
    curve.name = named.name;
    for (const size_t i : spread(borders.size() - 1, 2000)) {
      curve.x.push_back(static_cast<double>(borders[i]));
      curve.y.push_back(named.schedule.lr(borders[i], borders[i + 1] - borders[i]));
    }
    chart.curves.push_back(std::move(curve));
  }
  return chart;
}

void print_values(const LrSetup& setup, const std::vector<int64_t>& borders, int64_t points) {
  std::string header = fmt::format("{:>10} {:>16}", "step", "tokens");
  for (const NamedSchedule& named : setup.schedules) header += fmt::format("  {}", named.name);
  print_out(header + "\n");
  for (const size_t i : spread(borders.size() - 1, points)) {
    std::string line = fmt::format("{:>10} {:>16}", i + 1, borders[i]);
    for (const NamedSchedule& named : setup.schedules)
      line += fmt::format("  {:<{}.6g}", named.schedule.lr(borders[i], borders[i + 1] - borders[i]),
                          named.name.size());
    print_out(line.substr(0, line.find_last_not_of(' ') + 1) + "\n");
  }
}

void print_values_json(const LrSetup& setup, const std::vector<int64_t>& borders, int64_t points) {
  for (const NamedSchedule& named : setup.schedules) {
    for (const size_t i : spread(borders.size() - 1, points)) {
      const int64_t tokens = borders[i + 1] - borders[i];
      const Json json{{"v", 1},
                      {"type", "lr_value"},
                      {"schedule", named.name},
                      {"step", i + 1},
                      {"tokens", borders[i]},
                      {"multiplier", json_number(named.schedule.multiplier(borders[i], tokens))},
                      {"lr", json_number(named.schedule.lr(borders[i], tokens))}};
      print_out(to_json_line(json) + "\n");
    }
  }
}

Result<int> values(const LrOptions& options, const CommonOptions& common) {
  const LrSetup setup = BALLAST_TRY(set_up_lr(options));
  const std::vector<int64_t> borders = BALLAST_TRY(step_borders(setup.batches, setup.total_tokens));
  if (common.json) {
    print_values_json(setup, borders, options.points);
    return static_cast<int>(kExitDone);
  }
  if (!wants_picture(common) && !options.chart.plot) print_values(setup, borders, options.points);
  BALLAST_TRY(show_chart(values_chart(setup, borders), options.chart, common));
  return static_cast<int>(kExitDone);
}

Result<int> lr(const CLI::App& app, const LrOptions& options, const CommonOptions& common) {
  BALLAST_TRY(check_scopes(app, options));
  if (common.json && (options.chart.plot || wants_picture(common)))
    return usage_error("--json is no picture", "", "leave --json, or --plot and -o FILE.svg, out");
  if (options.action == "bound") return lr_bound_action(options, common);
  if (options.action == "transfer") return lr_transfer_action(options, common);
  if (options.action == "extend") return lr_extend_action(options, common);
  return values(options, common);
}

void add_lengths(CLI::App& app, LrOptions& o) {
  app.add_option("--tokens", o.tokens, "length of the run, as 10B");
  app.add_option("--steps", o.steps, "length of the run in steps");
  app.add_option("--batch-tokens", o.batch_tokens,
                 "tokens of a step, or 0:0.5M,10B:1M as in pretrain (1: count steps only)");
  app.add_option("--to-tokens", o.to_tokens, "the new length (extend), the other's (transfer)");
  app.add_option("--to-steps", o.to_steps, "likewise in steps");
}

}  // namespace

VerbRun add_lr(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<LrOptions>();
  LrOptions& o = *options;
  choice_option(app.add_option("action", o.action,
                               "values of schedules, their bound, transfer of a rate from one "
                               "schedule to another, extend a finished run"),
                {"values", "bound", "transfer", "extend"})
      ->required();
  path_option(app.add_option("trace", o.input.path,
                             "a run whose schedule and length (bound: also norms) are taken"));
  add_log_content_options(app, o.input);
  app.add_option("--schedule", o.schedules,
                 "as in pretrain: wsd, cosine, linear, constant[:k=v,...] or file:F; several may "
                 "be compared (default: wsd, or the trace's)");
  app.add_option("--lr", o.lr, "peak learning rate")->check(CLI::PositiveNumber);
  add_lengths(app, o);
  app.add_option("--distance", o.distance, "D: bound on the distance to the optimum")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--norm", o.norm, "G: bound on the gradient norm, where no trace has it")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  choice_option(app.add_option("--way", o.way, "extension that --json prints and the picture shows")
                    ->capture_default_str(),
                {"two-stage", "cooldown"});
  app.add_option("--transition", o.transition,
                 "two-stage: length of the way to the lower rate: tokens, 1000steps, or a share of "
                 "the finished run")
      ->capture_default_str();
  app.add_option("--points", o.points, "rows of the table or curve, evenly spread (0: every step)")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1000000}));
  add_chart_options(app, o.chart);
  return [options, &common, &app] { return lr(app, *options, common); };
}

}  // namespace ballast
