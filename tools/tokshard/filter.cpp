// tokshard filter: records in, clean documents out, in input order; every refusal with its reason.
#include "libcore/text/filter.h"

#include <fmt/format.h>

#include <memory>

#include "libcore/cli/message.h"
#include "tools/tokshard/counted.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/document_outputs.h"
#include "tools/tokshard/filter_flags.h"
#include "tools/tokshard/merge_parts.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

Result<void> check_inputs(const FilterRun& flags) {
  int64_t from_stdin = 0;
  for (const std::string& path : flags.read_files()) from_stdin += path == "-" ? 1 : 0;
  if (from_stdin > 1) return usage_error("standard input is named twice", "-");
  return refuse_repeated_inputs(flags.inputs);
}

// A task's share, or all parts and then the outputs made of them.
Result<int> run_in_parts(const FilterRun& flags, const CLI::App& app, const OpenedRules& rules,
                         DocumentOutputs& outputs, const CommonOptions& common) {
  const Share share = BALLAST_TRY(parse_task(flags.parts.task));
  PartsPlan plan = BALLAST_TRY(plan_filter_run(app, common, flags, flags.parts, rules));
  if (common.dry_run) {
    BALLAST_TRY(PartsFolder::look(posix_file_system(), flags.parts.folder, plan));
    print_note(fmt::format("would filter {} in parts of {} bytes into {}",
                           counted(std::ssize(flags.inputs), "input"), flags.parts.part_bytes,
                           flags.parts.folder));
    return kExitDone;
  }
  ThreadPool pool(common.threads);
  const PartsFolder folder =
      BALLAST_TRY(PartsFolder::create(posix_file_system(), flags.parts.folder, std::move(plan)));
  const FilterWork work = flags.work(rules);
  BALLAST_TRY(filter_parts(work, folder, share, pool));
  if (!flags.parts.shared()) BALLAST_TRY(merge_filter_parts(folder, outputs, common));
  return kExitDone;
}

Result<int> run_filter(const FilterRun& flags, const CLI::App& app, const CommonOptions& common) {
  FilterOptions options = BALLAST_TRY(check_filter_run(flags));
  BALLAST_TRY(check_inputs(flags));
  BALLAST_TRY(check_filter_outputs(flags, flags.parts, common));
  DocumentOutputs outputs;
  if (!flags.parts.shared())
    outputs =
        BALLAST_TRY(open_document_outputs(common, flags.rejects, flags.stats, flags.read_files()));
  const OpenedRules rules = BALLAST_TRY(open_filter_rules(flags.rules, std::move(options)));
  if (flags.parts.given()) return run_in_parts(flags, app, rules, outputs, common);
  ThreadPool pool(common.threads);
  const FilterWork work = flags.work(rules);
  const FilterSummary summary = BALLAST_TRY(filter_inputs(work, flags.inputs, outputs, pool));
  const std::vector<std::string> agents = rules.agents();
  BALLAST_TRY(
      finish_document_outputs(common, outputs, summary.to_json(agents), summary.to_lines(agents)));
  return kExitDone;
}

}  // namespace

VerbRun add_filter(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<FilterRun>();
  add_filter_run(app, *flags, "JSON Lines, WARC or WET, plain or compressed; '-' is stdin");
  return [flags, &app, &common] { return run_filter(*flags, app, common); };
}

}  // namespace ballast
