// tokshard verify: is a shard what its index, sidecar and manifest say; do the parts of a job
// account for its inputs.
#include "libcore/shard/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "libcore/io/json.h"
#include "libcore/io/utf8.h"
#include "libcore/parts/parts_folder.h"
#include "libcore/shard/shard_set.h"
#include "tools/tokshard/merge_parts.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct VerifyFlags {
  std::vector<std::string> prefixes;
  bool full = false;
};

std::string text_of(const std::string& prefix, const ShardVerdict& verdict) {
  const std::string name = printable(prefix);
  std::string text;
  for (const std::string& line : verdict.damage)
    text += fmt::format("{}: {}\n", name, printable(line));
  for (const std::string& path : verdict.missing)
    text += fmt::format("{}: not checked, not there: {}\n", name, printable(path));
  if (verdict.damage.empty())
    text +=
        fmt::format("{}: ok, {} documents, {} tokens\n", name, verdict.documents, verdict.tokens);
  return text;
}

Result<bool> verify_one(const std::string& prefix, bool full, const CommonOptions& common) {
  const ShardVerdict verdict = BALLAST_TRY(verify_shard(posix_file_system(), prefix, full));
  const Json record = {{"v", 1},
                       {"prefix", prefix},
                       {"ok", verdict.damage.empty()},
                       {"full", full},
                       {"documents", verdict.documents},
                       {"tokens", verdict.tokens},
                       {"damage", verdict.damage},
                       {"missing", verdict.missing}};
  print_out(common.json ? to_json_line(record) + "\n" : text_of(prefix, verdict));
  return verdict.damage.empty();
}

Result<int> run_verify(const VerifyFlags& flags, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  int code = kExitDone;
  for (const std::string& word : flags.prefixes) {
    if (is_parts_folder(fs, word)) {
      code = std::max(code, BALLAST_TRY(verify_parts(word, flags.full, common)));
      continue;
    }
    for (const std::string& prefix : BALLAST_TRY(shard_prefixes(fs, word)))
      if (!BALLAST_TRY(verify_one(prefix, flags.full, common))) code = kExitNo;
  }
  return code;
}

}  // namespace

VerbRun add_verify(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<VerifyFlags>();
  path_option(app.add_option("prefix", flags->prefixes,
                             "shards, sets of shards, or folders of either or of parts"))
      ->required();
  app.add_flag("--full", flags->full, "also every hash, token id and sidecar line");
  return [flags, &common] { return run_verify(*flags, common); };
}

}  // namespace ballast
