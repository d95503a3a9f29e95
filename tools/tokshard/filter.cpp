// tokshard filter: records in, clean documents out, in input order; every refusal with its reason.
#include "libcore/text/filter.h"

#include <fmt/format.h>

#include <memory>

#include "libcore/cli/message.h"
#include "tools/tokshard/document_outputs.h"
#include "tools/tokshard/filter_job.h"
#include "tools/tokshard/merge_parts.h"
#include "tools/tokshard/parts_flags.h"
#include "tools/tokshard/pii_flags.h"
#include "tools/tokshard/robots_flags.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct FilterFlags {
  std::vector<std::string> inputs;
  RobotsFlags robots;
  PiiFlags pii;
  std::string license, quality, rejects, stats, on_error = "fail";
  int64_t min_chars = 1;
  bool keep_rejects = false;
  PartsFlags parts;
};

Result<void> check_flags(const FilterFlags& flags) {
  BALLAST_TRY(check_robots_flags(flags.robots));
  if (flags.min_chars < 0) return usage_error("must be 0 or more", "--min-chars");
  int64_t from_stdin = flags.robots.path == "-" ? 1 : 0;
  for (const std::string& path : flags.inputs) from_stdin += path == "-" ? 1 : 0;
  if (from_stdin > 1) return usage_error("standard input is named twice", "-");
  return {};
}

std::vector<std::string> all_inputs(const FilterFlags& flags) {
  std::vector<std::string> paths = flags.inputs;
  if (!flags.robots.path.empty()) paths.push_back(flags.robots.path);
  return paths;
}

Result<FilterOptions> filter_options(const FilterFlags& flags) {
  FilterOptions options;
  options.keep_missing = flags.robots.keep_missing();
  options.agents = BALLAST_TRY(parse_agent_list(flags.robots.agents, "--agents"));
  options.obeyed = flags.robots.obeyed();
  options.pii = BALLAST_TRY(pii_policy(flags.pii));
  if (!flags.license.empty())
    options.license = BALLAST_TRY(LicensePolicy::parse(flags.license, "--license"));
  options.min_chars = flags.min_chars;
  if (!flags.quality.empty())
    options.quality = BALLAST_TRY(QualityPlan::parse(flags.quality, "--quality"));
  options.rejects = !flags.rejects.empty() || flags.keep_rejects;
  return options;
}

// A task's share, or all parts and then the outputs made of them.
Result<int> run_in_parts(const FilterFlags& flags, const CLI::App& app, const FilterWork& work,
                         DocumentOutputs& outputs, const CommonOptions& common) {
  const Share share = BALLAST_TRY(parse_task(flags.parts.task));
  PartsPlan plan = BALLAST_TRY(make_parts_plan(app, common, flags.parts, flags.inputs));
  plan.options["keep-rejects"] = work.options.rejects;
  plan.options["robots"] =
      work.options.robots ? work.options.robots->agents() : std::vector<std::string>();
  if (common.dry_run) {
    print_note(fmt::format("would filter {} inputs in parts of {} bytes into {}",
                           flags.inputs.size(), flags.parts.part_bytes, flags.parts.folder));
    return kExitDone;
  }
  ThreadPool pool(common.threads);
  const PartsFolder folder =
      BALLAST_TRY(PartsFolder::create(posix_file_system(), flags.parts.folder, std::move(plan)));
  BALLAST_TRY(filter_parts(work, folder, share, pool));
  if (!flags.parts.shared()) BALLAST_TRY(merge_filter_parts(folder, outputs, common));
  return kExitDone;
}

Result<int> run_filter(const FilterFlags& flags, const CLI::App& app, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags));
  BALLAST_TRY(check_parts_flags(
      flags.parts, flags.inputs,
      {{"--output", common.output}, {"--rejects", flags.rejects}, {"--stats", flags.stats}}));
  FilterWork work{BALLAST_TRY(filter_options(flags)), flags.on_error == "skip"};
  DocumentOutputs outputs;
  if (!flags.parts.shared())
    outputs =
        BALLAST_TRY(open_document_outputs(common, flags.rejects, flags.stats, all_inputs(flags)));
  auto robots = BALLAST_TRY(open_robots(posix_file_system(), flags.robots));
  work.options.robots = robots.get();
  if (flags.parts.given()) return run_in_parts(flags, app, work, outputs, common);
  const std::vector<std::string> agents = robots ? robots->agents() : std::vector<std::string>();
  ThreadPool pool(common.threads);
  const FilterSummary summary = BALLAST_TRY(filter_inputs(work, flags.inputs, outputs, pool));
  BALLAST_TRY(
      finish_document_outputs(common, outputs, summary.to_json(agents), summary.to_lines(agents)));
  return kExitDone;
}

}  // namespace

VerbRun add_filter(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<FilterFlags>();
  path_option(app.add_option("input", flags->inputs,
                             "JSON Lines, WARC or WET, plain or compressed; '-' is stdin"))
      ->required();
  add_robots_flags(app, flags->robots);
  add_signal_flags(app, flags->robots, true);
  app.add_option("--license", flags->license,
                 "policy: permissive, allow:CC-BY-*,MIT;deny:noncommercial;unknown=keep");
  add_pii_flags(app, flags->pii);
  app.add_option(
      "--quality", flags->quality,
      "rules for text: gopher, gopher-repetition, c4, fineweb, each with :KEY=VALUE,...");
  path_option(app.add_option("--rejects", flags->rejects, "rejected documents with their reasons"));
  path_option(app.add_option("--stats", flags->stats, "summary as one JSON record"));
  count_option(app, "--min-chars", flags->min_chars, "shortest text to keep, in characters");
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  add_parts_flags(app, flags->parts);
  flags->parts.dependent.push_back(app.add_flag("--keep-rejects", flags->keep_rejects,
                                                "in parts: rejected documents too, for `merge`"));
  return [flags, &app, &common] { return run_filter(*flags, app, common); };
}

}  // namespace ballast
