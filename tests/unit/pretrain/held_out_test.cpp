#include "tools/pretrain/held_out.h"

#include <gtest/gtest.h>

#include <numeric>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/writer.h"

namespace ballast {
namespace {

constexpr int64_t kSeqLen = 4;

// A shard of so many windows, whose tokens are first, first + 1, ...
WindowReader reader_of(FileSystem& fs, const std::string& prefix, int64_t windows, int32_t first) {
  ShardWriter writer(fs, prefix, 1000, false);
  std::vector<int32_t> ids(static_cast<size_t>(windows * kSeqLen + 1));
  std::iota(ids.begin(), ids.end(), first);
  EXPECT_TRUE(writer.append_document(ids).ok());
  EXPECT_TRUE(writer.finish().ok());
  auto shard = ShardReader::open(fs, prefix);
  EXPECT_TRUE(shard.ok()) << shard.error().message();
  return WindowReader(std::make_shared<const ShardReader>(std::move(*shard)), kSeqLen, 1000);
}

// First token of each window.
std::vector<int32_t> begins_of(const HeldOutWindows& windows) {
  std::vector<int32_t> begins;
  HostBatch batch;
  for (int64_t w = 0; w < windows.size(); ++w) {
    batch.resize(1, kSeqLen);
    EXPECT_TRUE(windows.read(w, batch, 0).ok());
    begins.push_back(batch.tokens[0]);
  }
  return begins;
}

TEST(HeldOutWindows, TakeTheFirstOfOneShard) {
  MemoryFileSystem fs;
  const WindowReader shard = reader_of(fs, "a", 5, 100);
  EXPECT_EQ(begins_of(HeldOutWindows({shard}, 12, kSeqLen)), (std::vector<int32_t>{100, 104, 108}));
  EXPECT_EQ(HeldOutWindows({shard}, 15, kSeqLen).size(), 3) << "whole windows";
  EXPECT_EQ(HeldOutWindows({shard}, 1, kSeqLen).size(), 1) << "at least one";
  EXPECT_EQ(HeldOutWindows({shard}, 1000, kSeqLen).size(), 5);
  EXPECT_EQ(HeldOutWindows({reader_of(fs, "none", 0, 0)}, 1000, kSeqLen).size(), 0);
  EXPECT_EQ(HeldOutWindows({}, 1000, kSeqLen).size(), 0);
}

TEST(HeldOutWindows, ShareWhatIsAllowedByTheSizesOfTheShards) {
  MemoryFileSystem fs;
  const std::vector<WindowReader> shards = {reader_of(fs, "a", 2, 100), reader_of(fs, "none", 0, 0),
                                            reader_of(fs, "b", 4, 200), reader_of(fs, "c", 2, 300)};
  EXPECT_EQ(begins_of(HeldOutWindows(shards, 4 * kSeqLen, kSeqLen)),
            (std::vector<int32_t>{100, 200, 204, 300}));
  const std::vector<int32_t> all = {100, 104, 200, 204, 208, 212, 300, 304};
  EXPECT_EQ(begins_of(HeldOutWindows(shards, 8 * kSeqLen, kSeqLen)), all);
  EXPECT_EQ(begins_of(HeldOutWindows(shards, 1 << 20, kSeqLen)), all);
  // Always as many as are allowed, none twice, and the first ones of their shards.
  for (int64_t most = 1; most <= 8; ++most) {
    const std::vector<int32_t> begins = begins_of(HeldOutWindows(shards, most * kSeqLen, kSeqLen));
    ASSERT_EQ(std::ssize(begins), most);
    for (size_t i = 0; i < begins.size(); ++i) {
      const bool first = begins[i] % 100 == 0;
      EXPECT_TRUE(first || begins[i] == begins[i - 1] + kSeqLen) << begins[i] << " of " << most;
    }
  }
}

}  // namespace
}  // namespace ballast
