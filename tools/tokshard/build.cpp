// tokshard build: crawls to shards in one process or many, without documents in between. The work
// is always done in parts, so a run that was killed goes on where it was.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "libcore/checkpoint/lease.h"
#include "libcore/cli/message.h"
#include "libcore/parts/publishing.h"
#include "libcore/shard/format.h"
#include "libcore/shard/shard_set.h"
#include "tools/tokshard/build_job.h"
#include "tools/tokshard/counted.h"
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
  CommonOptions look = common;
  look.dry_run = true;
  BALLAST_TRY(
      SideOutputs::open(look, flags.filter.rejects, flags.filter.stats, flags.read_files()));
  if (shard_limit(flags.encode.shard_tokens))
    for (const std::string& prefix : {common.output, common.output + "-holdout"})
      for (const std::string& path : {flags.filter.rejects, flags.filter.stats})
        if (names_member_file(posix_file_system(), prefix, path))
          return usage_error("two outputs are one file", path, "as a shard of " + prefix);
  const double holdout = BALLAST_TRY(parse_holdout(flags.encode));
  return check_shard_outputs(common, holdout > 0, shard_limit(flags.encode.shard_tokens),
                             flags.read_files());
}

Error left_by_another_build(Error error) {
  error.why = "left by a build that did not end; remove it to begin anew";
  return error;
}

Result<PartsFolder> open_folder(const PartsFlags& parts, bool own, PartsPlan plan) {
  auto opened = PartsFolder::create(posix_file_system(), parts.folder, std::move(plan));
  if (!own || opened.ok() || opened.error().kind != ErrorKind::usage) return opened;
  return left_by_another_build(opened.take_error());
}

// For a dry run: what that would refuse.
Result<void> look_at_folder(const PartsFlags& parts, bool own, const PartsPlan& plan) {
  auto looked = PartsFolder::look(posix_file_system(), parts.folder, plan);
  if (!own || looked.ok() || looked.error().kind != ErrorKind::usage) return looked;
  return left_by_another_build(looked.take_error());
}

PublishedPaths paths_of(const BuildFlags& flags, const CommonOptions& common) {
  PublishedPaths paths{common.output, flags.filter.rejects, flags.filter.stats};
  for (std::string* path : {&paths.rejects, &paths.stats})
    if (*path == "-") path->clear();
  return paths;
}

// The outputs, and with a folder of its own a note of them there while they appear: what a build
// that fails here shows is taken back, and what one that is killed shows, when it is repeated.
Result<void> publish_built(const BuildFlags& flags, const PartsFolder& folder, Lease* own,
                           const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const bool noted = own != nullptr && !common.force;  // with -f, who repeats it says so again
  const PublishedPaths paths = paths_of(flags, common);
  PublishingNote note{0, {}, !paths.rejects.empty(), !paths.stats.empty()};
  if (noted) note.begun_ns = BALLAST_TRY(open_publishing(fs, folder.directory()));
  SideOutputs outputs = BALLAST_TRY(
      SideOutputs::open(common, flags.filter.rejects, flags.filter.stats, flags.read_files()));
  const auto sealed = [&](const std::vector<std::string>& prefixes) -> Result<void> {
    if (own) BALLAST_TRY(own->renew());
    if (!noted) return {};
    for (const std::string& path : shard_paths(prefixes))
      note.endings.push_back(path.substr(common.output.size()));
    return begin_publishing(fs, folder.directory(), note, paths);
  };
  auto made = merge_built_parts(folder, outputs, common, sealed);
  const bool none_left = !made.ok() && made.error().kind == ErrorKind::insufficient;
  if (!made.ok() && !none_left && noted)
    (void)take_back(fs, folder.directory(), paths);  // else the next call does
  // Nothing is left of the documents, which the same call finds again.
  if (own && none_left) BALLAST_TRY(fs.remove_all(folder.directory()));
  if (!made.ok() || !own) return made;
  // First, so that what is whole is never taken back.
  if (noted) BALLAST_TRY(fs.remove(join_path(folder.directory(), kPublishingName)));
  return fs.remove_all(folder.directory());
}

Result<int> run_build(const BuildFlags& flags, const CLI::App& app, const CommonOptions& common) {
  const FilterRun& filter = flags.filter;
  PartsFlags parts = filter.parts;
  const bool own_folder = !parts.given() && !parts.shared();
  if (own_folder && filter.keep_rejects) return usage_error("needs --parts", "--keep-rejects");
  if (own_folder) parts.folder = common.output + ".tmp-parts";
  FilterOptions options = BALLAST_TRY(check_filter_run(filter));
  // Of an earlier call that did not get to its end there may be outputs, which are looked at when
  // the folder is known to be of the same job.
  const bool resumes =
      own_folder && !common.force && was_publishing(posix_file_system(), parts.folder);
  CommonOptions early = common;
  early.force = common.force || resumes;
  BALLAST_TRY(check_outputs(flags, parts, early));
  options.documents = true;
  const Share share = BALLAST_TRY(parse_task(parts.task));
  const OpenedEncoding encoding = BALLAST_TRY(open_encoding(flags.encode, common));
  const OpenedRules rules = BALLAST_TRY(open_filter_rules(filter.rules, std::move(options)));
  PartsPlan plan = BALLAST_TRY(plan_filter_run(app, common, filter, parts, rules));
  plan_encoding(flags.encode, encoding.manifest, plan.options);
  if (common.dry_run) {
    BALLAST_TRY(look_at_folder(parts, own_folder, plan));
    if (resumes)
      BALLAST_TRY(left_outputs(posix_file_system(), parts.folder, paths_of(flags, common)));
    print_note(fmt::format("would build a shard of {} with a vocabulary of {} in {}",
                           counted(std::ssize(filter.inputs), "input"),
                           encoding.manifest.vocab_size, parts.folder));
    return kExitDone;
  }
  ThreadPool pool(common.threads);
  const PartsFolder folder = BALLAST_TRY(open_folder(parts, own_folder, std::move(plan)));
  // The same command at the same time would take back what this one shows.
  std::optional<Lease> lease;
  if (own_folder)
    lease.emplace(BALLAST_TRY(Lease::acquire(posix_file_system(), parts.folder, "tokshard build",
                                             this_system(), "folder")));
  if (resumes && was_publishing(posix_file_system(), parts.folder)) {
    BALLAST_TRY(take_back(posix_file_system(), parts.folder, paths_of(flags, common)));
    BALLAST_TRY(check_outputs(flags, parts, common));
  }
  const FilterWork work = filter.work(rules);
  BALLAST_TRY(build_parts(work, encoding.rule, folder, share, pool));
  if (!parts.shared()) BALLAST_TRY(publish_built(flags, folder, lease ? &*lease : nullptr, common));
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
