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
#include "tools/tokshard/parts_flags.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct BuildFlags {
  std::vector<std::string> inputs;
  FilterRules rules;
  EncodeFlags encode;
  std::string rejects, stats, on_error = "fail";
  bool keep_rejects = false;
  PartsFlags parts;
};

std::vector<std::string> read_files(const BuildFlags& flags) {
  std::vector<std::string> files = flags.inputs;
  files.push_back(flags.encode.tokenizer);
  for (const std::string& path : flags.rules.files()) files.push_back(path);
  return files;
}

Result<void> check_outputs(const BuildFlags& flags, const PartsFlags& parts,
                           const CommonOptions& common) {
  BALLAST_TRY(check_parts_flags(
      parts, flags.inputs,
      {{"--output", common.output}, {"--rejects", flags.rejects}, {"--stats", flags.stats}}));
  BALLAST_TRY(refuse_repeated_inputs(flags.inputs));
  if (parts.shared()) return {};
  const double holdout = BALLAST_TRY(parse_holdout(flags.encode));
  return check_shard_outputs(common, holdout > 0, read_files(flags));
}

Result<int> run_build(const BuildFlags& flags, const CLI::App& app, const CommonOptions& common) {
  PartsFlags parts = flags.parts;
  const bool own_folder = !parts.given() && !parts.shared();
  if (own_folder && flags.keep_rejects) return usage_error("needs --parts", "--keep-rejects");
  if (own_folder) parts.folder = common.output + ".tmp-parts";
  FilterOptions options = BALLAST_TRY(check_filter_rules(flags.rules));
  BALLAST_TRY(check_outputs(flags, parts, common));
  options.rejects = !flags.rejects.empty() || flags.keep_rejects;
  options.documents = true;
  const Share share = BALLAST_TRY(parse_task(parts.task));
  const OpenedEncoding encoding = BALLAST_TRY(open_encoding(flags.encode, common));
  DocumentOutputs outputs;
  if (!parts.shared())
    outputs = BALLAST_TRY(open_side_outputs(common, flags.rejects, flags.stats, read_files(flags)));
  const OpenedRules rules = BALLAST_TRY(open_filter_rules(flags.rules, std::move(options)));
  PartsPlan plan =
      BALLAST_TRY(make_parts_plan(app, common, parts, flags.inputs, flags.rules.models.files()));
  plan.options["keep-rejects"] = rules.options.rejects;
  plan.options["agents-asked"] = rules.agents();
  plan_encoding(flags.encode, encoding.manifest, plan.options);
  if (common.dry_run) {
    print_note(fmt::format("would build a shard of {} inputs with a vocabulary of {} in {}",
                           flags.inputs.size(), encoding.manifest.vocab_size, parts.folder));
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
  const FilterWork work{rules.options, flags.on_error == "skip"};
  BALLAST_TRY(build_parts(work, encoding.rule, folder, share, pool));
  if (parts.shared()) return kExitDone;
  BALLAST_TRY(merge_built_parts(folder, outputs, common));
  if (own_folder) BALLAST_TRY(fs.remove_all(parts.folder));
  return kExitDone;
}

}  // namespace

VerbRun add_build(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<BuildFlags>();
  path_option(
      app.add_option("input", flags->inputs, "JSON Lines, WARC or WET, plain or compressed"))
      ->required();
  add_filter_rules(app, flags->rules);
  path_option(app.add_option("--rejects", flags->rejects, "rejected documents with their reasons"));
  path_option(app.add_option("--stats", flags->stats, "summary as one JSON record"));
  add_encode_flags(app, flags->encode);
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  add_parts_flags(app, flags->parts);
  flags->parts.dependent.push_back(app.add_flag("--keep-rejects", flags->keep_rejects,
                                                "in parts: rejected documents too, for `merge`"));
  return [flags, &app, &common] { return run_build(*flags, app, common); };
}

}  // namespace ballast
