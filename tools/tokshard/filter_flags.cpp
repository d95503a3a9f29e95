#include "tools/tokshard/filter_flags.h"

#include "libcore/cli/tool.h"

namespace ballast {

std::vector<std::string> FilterRules::files() const {
  std::vector<std::string> paths = models.files();
  if (!robots.path.empty()) paths.push_back(robots.path);
  return paths;
}

std::vector<std::string> OpenedRules::agents() const {
  return robots ? robots->agents() : std::vector<std::string>();
}

void add_filter_rules(CLI::App& app, FilterRules& rules) {
  add_robots_flags(app, rules.robots);
  add_signal_flags(app, rules.robots, true);
  app.add_option("--license", rules.license,
                 "policy: permissive, allow:CC-BY-*,MIT;deny:noncommercial;unknown=keep");
  add_model_flags(app, rules.models);
  add_pii_flags(app, rules.pii);
  app.add_option(
      "--quality", rules.quality,
      "rules for text: gopher, gopher-repetition, c4, fineweb, each with :KEY=VALUE,...");
  count_option(app, "--min-chars", rules.min_chars, "shortest text to keep, in characters");
}

Result<FilterOptions> check_filter_rules(const FilterRules& rules) {
  BALLAST_TRY(check_robots_flags(rules.robots));
  if (rules.min_chars < 0) return usage_error("must be 0 or more", "--min-chars");
  FilterOptions options;
  options.keep_missing = rules.robots.keep_missing();
  options.agents = BALLAST_TRY(parse_agent_list(rules.robots.agents, "--agents"));
  options.obeyed = rules.robots.obeyed();
  options.pii = BALLAST_TRY(pii_policy(rules.pii));
  if (!rules.license.empty())
    options.license = BALLAST_TRY(LicensePolicy::parse(rules.license, "--license"));
  options.min_chars = rules.min_chars;
  if (!rules.quality.empty())
    options.quality = BALLAST_TRY(QualityPlan::parse(rules.quality, "--quality"));
  return options;
}

Result<OpenedRules> open_filter_rules(const FilterRules& rules, FilterOptions options) {
  OpenedRules opened;
  opened.robots = BALLAST_TRY(open_robots(posix_file_system(), rules.robots));
  opened.options = std::move(options);
  opened.options.robots = opened.robots.get();
  opened.options.language = BALLAST_TRY(language_policy(posix_file_system(), rules.models));
  opened.options.scores = BALLAST_TRY(score_plan(posix_file_system(), rules.models));
  return opened;
}

std::vector<std::string> FilterRun::read_files() const {
  std::vector<std::string> paths = inputs;
  for (const std::string& path : rules.files()) paths.push_back(path);
  return paths;
}

void add_filter_run(CLI::App& app, FilterRun& run, const char* inputs) {
  path_option(app.add_option("input", run.inputs, inputs))->required();
  add_filter_rules(app, run.rules);
  path_option(app.add_option("--rejects", run.rejects, "rejected documents with their reasons"));
  path_option(app.add_option("--stats", run.stats, "summary as one JSON record"));
  choice_option(
      app.add_option("--on-error", run.on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  add_parts_flags(app, run.parts);
  run.parts.dependent.push_back(app.add_flag("--keep-rejects", run.keep_rejects,
                                             "in parts: rejected documents too, for `merge`"));
}

Result<FilterOptions> check_filter_run(const FilterRun& run) {
  FilterOptions options = BALLAST_TRY(check_filter_rules(run.rules));
  options.rejects = !run.rejects.empty() || run.keep_rejects;
  return options;
}

Result<void> check_filter_outputs(const FilterRun& run, const PartsFlags& parts,
                                  const CommonOptions& common) {
  return check_parts_flags(
      parts, run.inputs,
      {{"--output", common.output}, {"--rejects", run.rejects}, {"--stats", run.stats}});
}

Result<PartsPlan> plan_filter_run(const CLI::App& app, const CommonOptions& common,
                                  const FilterRun& run, const PartsFlags& parts,
                                  const OpenedRules& opened) {
  PartsPlan plan =
      BALLAST_TRY(make_parts_plan(app, common, parts, run.inputs, run.rules.models.files()));
  plan.options["keep-rejects"] = opened.options.rejects;
  plan.options["agents-asked"] = opened.agents();
  return plan;
}

}  // namespace ballast
