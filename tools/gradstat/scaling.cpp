#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "libcore/base/units.h"
#include "tools/gradstat/scaling_actions.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct Scope {
  const char* option;
  std::vector<std::string> actions;
};

Result<void> check_scopes(const CLI::App& app, const ScalingOptions& options,
                          const CommonOptions& common) {
  static const std::vector<Scope> scopes = {{"--budget", {"fit"}},
                                            {"--bootstrap", {"fit"}},
                                            {"--horizons", {"savings"}},
                                            {"--cooldown", {"savings"}},
                                            {"--parameters", {"savings", "lr"}},
                                            {"--plot", {"fit", "points", "lr"}}};
  for (const Scope& scope : scopes) {
    if (app.get_option(scope.option)->count() == 0 ||
        std::ranges::find(scope.actions, options.action) != scope.actions.end())
      continue;
    return usage_error(fmt::format("scaling {} does not take it", options.action), scope.option,
                       fmt::format("only scaling {}", fmt::join(scope.actions, ", scaling ")));
  }
  if (wants_picture(common) && options.action == "savings")
    return usage_error("scaling savings draws nothing", "-o", "name a file that is no picture");
  if (common.json && (options.chart.plot || wants_picture(common)))
    return usage_error("--json is no picture", "", "leave --json, or --plot and -o FILE.svg, out");
  if (options.runs.inputs.empty() && options.horizons.empty())
    return usage_error("no runs", "", "name tables or traces");
  return {};
}

Result<int> scaling(const CLI::App& app, const ScalingOptions& options,
                    const CommonOptions& common) {
  BALLAST_TRY(check_scopes(app, options, common));
  if (options.action == "points") return scaling_points_action(options, common);
  if (options.action == "savings") return scaling_savings_action(options, common);
  if (options.action == "lr") return scaling_lr_action(options, common);
  return scaling_fit_action(options, common);
}

}  // namespace

std::string left_out_text(const std::vector<LeftOut>& left_out) {
  constexpr size_t kMost = 10;
  std::string text;
  for (size_t i = 0; i < std::min(left_out.size(), kMost); ++i)
    text += fmt::format("left out   {}: {}\n", left_out[i].name, left_out[i].why);
  if (left_out.size() > kMost)
    text += fmt::format("left out   ... and {} more (--json names all)\n", left_out.size() - kMost);
  return text;
}

Json left_out_json(const std::vector<LeftOut>& left_out) {
  Json list = Json::array();
  for (const LeftOut& one : left_out) list.push_back({{"name", one.name}, {"why", one.why}});
  return list;
}

Result<std::vector<double>> parse_counts(const std::string& list, const char* flag) {
  std::vector<double> counts;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string item = list.substr(begin, end - begin);
    const Result<int64_t> count = parse_count(item);
    if (!count.ok() || *count < 1)
      return usage_error(fmt::format("'{}' is not accepted", item), flag, "counts like 400M,7B");
    counts.push_back(static_cast<double>(*count));
    begin = end + 1;
  }
  return counts;
}

VerbRun add_scaling(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<ScalingOptions>();
  ScalingOptions& o = *options;
  choice_option(app.add_option("action", o.action,
                               "fit a law of the loss, list points and their envelope, count what "
                               "branching cooldowns saves, best learning rate against size"),
                {"fit", "points", "savings", "lr"})
      ->required();
  path_option(app.add_option("runs", o.runs.inputs,
                             "tables (CSV, TSV, JSON Lines), traces, run directories; -: stdin"));
  choice_option(app.add_option("--on-error", o.runs.on_error,
                               "what a damaged line of a trace does: fail, or skip it")
                    ->capture_default_str(),
                {"fail", "skip"});
  app.add_flag("--assume-cooled", o.runs.assume_cooled,
               "traces without learning rates are of runs that were cooled down");
  app.add_option("--budget", o.budgets, "compute in FLOPs, as 1e21, to split best (fit)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--bootstrap", o.bootstrap, "resamples for the intervals; 0: none (fit)")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1000000}));
  app.add_option("--horizons", o.horizons, "tokens of the runs, as 10B,20B,40B (savings)")
      ->delimiter(',');
  app.add_option("--cooldown", o.cooldown, "share of each run that is its cooldown (savings)")
      ->capture_default_str();
  app.add_option("--parameters", o.parameters,
                 "size of the model (savings), or sizes to give the rate for (lr)");
  add_chart_options(app, o.chart);
  return [options, &common, &app] { return scaling(app, *options, common); };
}

}  // namespace ballast
