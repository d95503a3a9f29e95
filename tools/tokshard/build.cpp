// tokshard build: crawls to shards in one process or many, without documents in between. The work
// is always done in parts, so a run that was killed goes on where it was.
#include <fmt/format.h>

#include <memory>

#include "libcore/cli/message.h"
#include "tools/tokshard/build_job.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/encode_flags.h"
#include "tools/tokshard/filter_flags.h"
#include "tools/tokshard/merge_parts.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct BuildFlags {
  FilterRun filter;
  EncodeFlags encode;

  std::vector<std::string> read_files() const {
    std::vector<std::string> files = filter.read_files();
    files.push_back(encode.tokenizer);
    return files;
  }
};

Result<void> check_outputs(const BuildFlags& flags, const PartsFlags& parts,
                           const CommonOptions& common) {
  BALLAST_TRY(check_filter_outputs(flags.filter, parts, common));
  BALLAST_TRY(refuse_repeated_inputs(flags.filter.inputs));
  if (parts.shared()) return {};
  const double holdout = BALLAST_TRY(parse_holdout(flags.encode));
  return check_shard_outputs(common, holdout > 0, shard_limit(flags.encode.shard_tokens),
                             flags.read_files());
}

Result<int> run_build(const BuildFlags& flags, const CLI::App& app, const CommonOptions& common) {
  const FilterRun& filter = flags.filter;
  PartsFlags parts = filter.parts;
  const bool own_folder = !parts.given() && !parts.shared();
  if (own_folder && filter.keep_rejects) return usage_error("needs --parts", "--keep-rejects");
  if (own_folder) parts.folder = common.output + ".tmp-parts";
  FilterOptions options = BALLAST_TRY(check_filter_run(filter));
  BALLAST_TRY(check_outputs(flags, parts, common));
  options.documents = true;
  const Share share = BALLAST_TRY(parse_task(parts.task));
  const OpenedEncoding encoding = BALLAST_TRY(open_encoding(flags.encode, common));
  DocumentOutputs outputs;
  if (!parts.shared())
    outputs = BALLAST_TRY(open_side_outputs(common, filter.rejects, filter.stats,
                                            flags.read_files(), files_of_shards(common.output)));
  const OpenedRules rules = BALLAST_TRY(open_filter_rules(filter.rules, std::move(options)));
  PartsPlan plan = BALLAST_TRY(plan_filter_run(app, common, filter, parts, rules));
  plan_encoding(flags.encode, encoding.manifest, plan.options);
  if (common.dry_run) {
    print_note(fmt::format("would build a shard of {} inputs with a vocabulary of {} in {}",
                           filter.inputs.size(), encoding.manifest.vocab_size, parts.folder));
    return kExitDone;
  }
  ThreadPool pool(common.threads);
  FileSystem& fs = posix_file_system();
  auto opened = PartsFolder::create(fs, parts.folder, std::move(plan));
  if (own_folder && !opened.ok() && opened.error().kind == ErrorKind::usage) {
    Error error = opened.take_error();
    error.why = "left by a build that did not end; remove it to begin anew";
    return error;
  }
  const PartsFolder folder = BALLAST_TRY(std::move(opened));
  const FilterWork work = filter.work(rules);
  BALLAST_TRY(build_parts(work, encoding.rule, folder, share, pool));
  if (parts.shared()) return kExitDone;
  BALLAST_TRY(merge_built_parts(folder, outputs, common));
  if (own_folder) BALLAST_TRY(fs.remove_all(parts.folder));
  return kExitDone;
}

}  // namespace

VerbRun add_build(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<BuildFlags>();
  add_filter_run(app, flags->filter, "JSON Lines, WARC or WET, plain or compressed");
  add_encode_flags(app, flags->encode);
  return [flags, &app, &common] { return run_build(*flags, app, common); };
}

}  // namespace ballast
