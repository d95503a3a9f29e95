#include "tools/tokshard/shard_output.h"

#include <fmt/format.h>

#include "libcore/cli/message.h"
#include "libcore/io/file_system.h"

namespace ballast {

Result<void> check_shard_prefix(const CommonOptions& common) {
  if (common.output.empty()) return usage_error("PREFIX of the shard is missing", "-o");
  if (common.output == "-" || common.output.ends_with('/'))
    return usage_error("shards are files: give a prefix", "-o");
  const std::string folder = parent_directory(common.output);
  if (!posix_file_system().exists(folder))
    return io_error("cannot create, its folder is not there", common.output, folder);
  return {};
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
