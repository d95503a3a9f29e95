// tokshard split: a finished shard in pieces, by size or by a key of its documents.
#include "libcore/shard/split.h"

#include <fmt/format.h>

#include <memory>

#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/set_builder.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/shard_output.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct SplitFlags {
  std::string prefix, by;
  int64_t shard_tokens = 0, shards = 0;
};

Result<SplitOptions> options_of(const SplitFlags& flags, const CommonOptions& common) {
  const int given = (flags.shard_tokens != 0) + (flags.shards != 0) + !flags.by.empty();
  if (given != 1)
    return usage_error("how to split", "", "give one of --shard-tokens, --shards and --by");
  if (flags.shard_tokens < 0) return usage_error("--shard-tokens is negative");
  if (flags.shards < 0 || flags.shards > 100000)
    return usage_error(fmt::format("--shards is {}", flags.shards), "", "accepted: 1 to 100000");
  SplitOptions options;
  if (flags.shard_tokens > 0) options.shard_tokens = flags.shard_tokens;
  if (flags.shards > 0) options.parts = flags.shards;
  if (flags.by == "language") options.by = SplitKey::language;
  if (flags.by == "source") options.by = SplitKey::source;
  if (flags.by == "license") options.by = SplitKey::license;
  if (flags.by == "host") options.by = SplitKey::host;
  options.tool = fmt::format("tokshard {}", kVersion);
  options.run = run_record(common);
  options.force = common.force;
  return options;
}

Result<int> run_split(const SplitFlags& flags, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const SplitOptions options = BALLAST_TRY(options_of(flags, common));
  BALLAST_TRY(check_shard_prefix(common));
  if (!options.by)  // whose names show only while splitting
    BALLAST_TRY(refuse_existing_set(fs, common.output,
                                    options.parts ? options.parts : options.shard_tokens,
                                    common.force, shard_paths(flags.prefix)));
  if (common.dry_run) {
    BALLAST_TRY(look_at_whole(fs, flags.prefix));
    const ShardReader reader = BALLAST_TRY(ShardReader::open(fs, flags.prefix));
    print_note(fmt::format("would split {} documents with {} tokens of {} into shards {}-...",
                           reader.documents(), reader.total_tokens(), flags.prefix, common.output));
    return kExitDone;
  }
  for (const SplitPiece& piece : BALLAST_TRY(split_shard(fs, flags.prefix, common.output, options)))
    report_shard(common, piece.prefix, piece.manifest);
  return kExitDone;
}

}  // namespace

VerbRun add_split(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<SplitFlags>();
  path_option(app.add_option("prefix", flags->prefix, "the shard"))->required();
  count_option(app, "--shard-tokens", flags->shard_tokens,
               "tokens a shard may have, as in 100M; no document is cut");
  count_option(app, "--shards", flags->shards, "number of shards of about the same size");
  choice_option(app.add_option("--by", flags->by, "a shard for each value of this key"),
                {"language", "source", "license", "host"});
  return [flags, &common] { return run_split(*flags, common); };
}

}  // namespace ballast
