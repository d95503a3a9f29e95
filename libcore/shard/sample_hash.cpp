#include "libcore/shard/sample_hash.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/hash.h"
#include "libcore/shard/manifest.h"

namespace ballast {

Result<std::string> shard_sample_hash(FileSystem& fs, const std::string& prefix) {
  constexpr int64_t kBlocks = 64, kBlockBytes = 64 << 10;
  std::string content = BALLAST_TRY(read_file(fs, shard_idx_path(prefix), int64_t{1} << 36));
  const auto bin = BALLAST_TRY(fs.open_read(shard_bin_path(prefix)));
  const int64_t last = std::max<int64_t>(0, bin->size() - kBlockBytes);
  std::string block(static_cast<size_t>(std::min(bin->size(), kBlockBytes)), '\0');
  for (int64_t i = 0; i < kBlocks; ++i) {
    const int64_t offset = last / (kBlocks - 1) * i + last % (kBlocks - 1) * i / (kBlocks - 1);
    const size_t got = BALLAST_TRY(bin->read_at(
        offset, MutableBytes(reinterpret_cast<std::byte*>(block.data()), block.size())));
    content.append(block, 0, got);
    if (last == 0) break;
  }
  for (const Tombstone& range : BALLAST_TRY(read_tombstones(fs, prefix)))
    content += fmt::format(" {}-{}:{}", range.begin, range.end, range.token);
  return xxh3_128(as_bytes(content)).hex();
}

}  // namespace ballast
