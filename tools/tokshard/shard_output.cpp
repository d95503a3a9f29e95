#include "tools/tokshard/shard_output.h"

#include <fmt/format.h>

#include "libcore/cli/message.h"
#include "libcore/io/file_system.h"
#include "libcore/io/utf8.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/whole_shard.h"

namespace ballast {

Result<void> check_shard_prefix(const CommonOptions& common) {
  if (common.output.empty()) return usage_error("PREFIX of the shard is missing", "-o");
  if (common.output == "-" || common.output.ends_with('/'))
    return usage_error("shards are files: give a prefix", "-o");
  const std::string folder = parent_directory(common.output);
  if (!posix_file_system().exists(folder))
    return io_error("cannot create, its folder is not there", common.output, folder);
  return check_shard_name(common.output);
}

Result<void> check_shard_name(const std::string& prefix) {
  if (is_valid_utf8(file_name(prefix))) return {};
  return usage_error("a shard's name must be UTF-8, its manifest has it", prefix);
}

Result<void> look_at_whole(FileSystem& fs, const std::string& prefix) {
  BALLAST_TRY(manifest_of_whole(fs, prefix));
  BALLAST_TRY(ShardReader::open_to_learn(fs, prefix));
  BALLAST_TRY(SidecarReader::open(fs, prefix));
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
