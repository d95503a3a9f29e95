// tokshard merge: several finished shards to one or to a set, or the parts of a job to what it
// makes.
#include "libcore/shard/merge.h"

#include <fmt/format.h>

#include <memory>

#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/parts/parts_folder.h"
#include "libcore/shard/set_builder.h"
#include "libcore/shard/shard_set.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/encode_flags.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/merge_parts.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/shard_output.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct MergeFlags {
  std::vector<std::string> words;
  std::string rejects, stats;
  int64_t shard_tokens = 0;  // no limit
};

// What the shards of parts would be refused for when all parts have been read. A damaged plan is
// told by who reads it.
Result<void> check_shards_of_parts(FileSystem& fs, const std::string& directory,
                                   const CommonOptions& common) {
  const PartsFolder folder = BALLAST_TRY(PartsFolder::open(fs, directory));
  const Json& options = folder.plan().options;
  if (!options.is_object() || !options.contains("manifest")) return {};  // of a filter
  const std::string where = join_path(directory, kPlanName);
  const ShardManifest planned =
      BALLAST_TRY(parse_manifest(to_json_line(options.at("manifest")), where));
  std::optional<int64_t> limit;
  if (options.contains("shard_tokens"))
    limit = BALLAST_TRY(integer_member(options, "shard_tokens", where));
  std::vector<std::string> inputs;
  for (const PartsPlan::Input& input : folder.plan().inputs) inputs.push_back(input.path);
  return check_shard_outputs(common, planned.holdout > 0, limit, inputs);
}

Result<int> merge_finished(const MergeFlags& flags, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const std::vector<std::string>& words = flags.words;
  const MergeOptions options{fmt::format("tokshard {}", kVersion), run_record(common), common.force,
                             shard_limit(flags.shard_tokens)};
  const bool parts = words.size() == 1 && is_parts_folder(fs, words.front());
  if (parts && options.shard_tokens)
    return usage_error("is of shards", "--shard-tokens", "for parts encode or build takes it");
  if (parts) BALLAST_TRY(check_shards_of_parts(fs, words.front(), common));
  if (parts) return merge_parts(words.front(), flags.rejects, flags.stats, common);
  for (const auto& [name, value] :
       {std::pair("--rejects", &flags.rejects), {"--stats", &flags.stats}})
    if (!value->empty()) return usage_error("is of the parts of a filter", name, "not of shards");
  const auto prefixes = BALLAST_TRY(shard_prefixes(fs, words));
  BALLAST_TRY(refuse_repeated_inputs(prefixes));
  BALLAST_TRY(check_shard_prefix(common));
  BALLAST_TRY(refuse_existing_set(fs, common.output, options.shard_tokens, common.force,
                                  shard_paths(prefixes)));
  const ShardManifest expected = BALLAST_TRY(joined_manifest(fs, prefixes, options));
  if (common.dry_run) {
    for (const std::string& prefix : prefixes) BALLAST_TRY(look_at_whole(fs, prefix));
    print_note(fmt::format("would merge {} shards with a vocabulary of {} into {}", prefixes.size(),
                           expected.vocab_size, common.output));
    return kExitDone;
  }
  const auto made = BALLAST_TRY(merge_shards(fs, prefixes, common.output, options));
  for (size_t i = 0; i < made.size(); ++i) {
    const auto number = static_cast<int64_t>(i);
    report_shard(common,
                 options.shard_tokens ? shard_set_member(common.output, number) : common.output,
                 made[i]);
  }
  return kExitDone;
}

}  // namespace

VerbRun add_merge(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<MergeFlags>();
  path_option(app.add_option("prefix", flags->words,
                             "shards, sets or folders of shards, in this order; or one folder of "
                             "parts"))
      ->required();
  path_option(app.add_option("--rejects", flags->rejects,
                             "of filtered parts: rejected documents with their reasons"));
  path_option(
      app.add_option("--stats", flags->stats, "of filtered parts: summary as one JSON record"));
  add_shard_tokens(app, flags->shard_tokens);
  return [flags, &common] { return merge_finished(*flags, common); };
}

}  // namespace ballast
