#include "tools/tokshard/shard_output.h"

#include <fmt/format.h>

#include "libcore/cli/message.h"
#include "libcore/io/atomic_file.h"
#include "libcore/shard/format.h"
#include "libcore/shard/shard_set.h"

namespace ballast {
namespace {

std::vector<std::string> paths_of(const std::string& prefix) {
  return {shard_bin_path(prefix), shard_idx_path(prefix), shard_docs_path(prefix),
          shard_manifest_path(prefix)};
}

}  // namespace

Result<void> check_shard_output(const CommonOptions& common,
                                const std::vector<std::string>& prefixes,
                                const std::vector<std::string>& targets) {
  FileSystem& fs = posix_file_system();
  if (common.output.empty()) return usage_error("PREFIX of the shard is missing", "-o");
  if (common.output == "-" || common.output.ends_with('/'))
    return usage_error("shards are files: give a prefix", "-o");
  std::vector<std::string> inputs;
  for (const std::string& prefix : prefixes)
    for (std::string& path : paths_of(prefix)) inputs.push_back(std::move(path));
  for (const std::string& target : targets) {
    for (const std::string& path : paths_of(target)) {
      BALLAST_TRY(refuse_output_over_input(fs, path, inputs));
      if (!common.force && fs.exists(path))
        return usage_error("output exists", path, "-f replaces it");
    }
  }
  return {};
}

Result<std::vector<std::string>> replaced_by_set(const std::string& output) {
  std::vector<std::string> names;
  if (output.empty()) return names;
  names.push_back(output);
  for (const int64_t number : BALLAST_TRY(shard_set_numbers(posix_file_system(), output)))
    names.push_back(shard_set_member(output, number));
  return names;
}

void report_shard(const CommonOptions& common, const std::string& prefix,
                  const ShardManifest& made) {
  print_note(fmt::format("{}: {} documents, {} tokens ({})", prefix, made.documents, made.tokens,
                         token_type_name(made.type)));
  if (!common.json) return;
  print_out(to_json_line({{"v", 1},
                          {"prefix", prefix},
                          {"part", made.part},
                          {"documents", made.documents},
                          {"tokens", made.tokens},
                          {"dtype", token_type_name(made.type)}}) +
            "\n");
}

}  // namespace ballast
