// tokshard merge: several finished shards to one.
#include "libcore/shard/merge.h"

#include <fmt/format.h>

#include <memory>

#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/shard/shard_set.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/shard_output.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

Result<int> merge_finished(const std::vector<std::string>& words, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const auto prefixes = BALLAST_TRY(shard_prefixes(fs, words));
  BALLAST_TRY(refuse_repeated_inputs(prefixes));
  BALLAST_TRY(check_shard_output(common, prefixes, {common.output}));
  MergeOptions options{fmt::format("tokshard {}", kVersion), run_record(common), common.force};
  const ShardManifest expected = BALLAST_TRY(joined_manifest(fs, prefixes, options));
  if (common.dry_run) {
    print_note(fmt::format("would merge {} shards with a vocabulary of {} into {}", prefixes.size(),
                           expected.vocab_size, common.output));
    return kExitDone;
  }
  report_shard(common, common.output,
               BALLAST_TRY(merge_shards(fs, prefixes, common.output, options)));
  return kExitDone;
}

}  // namespace

VerbRun add_merge(CLI::App& app, const CommonOptions& common) {
  auto words = std::make_shared<std::vector<std::string>>();
  path_option(app.add_option("prefix", *words, "shards, sets or folders of shards, in this order"))
      ->required();
  return [words, &common] { return merge_finished(*words, common); };
}

}  // namespace ballast
