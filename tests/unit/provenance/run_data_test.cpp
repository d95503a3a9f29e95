#include "libcore/provenance/run_data.h"

#include <gtest/gtest.h>

#include <set>

#include "libcore/shard/writer.h"
#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

ShardReader shard_of(const TemporaryDirectory& directory, const std::vector<int>& lengths) {
  const std::string prefix = directory / "shard";
  ShardWriter writer(posix_file_system(), prefix, 100, false);
  for (const int length : lengths)
    EXPECT_TRUE(writer.append_document(std::vector<int32_t>(static_cast<size_t>(length), 7)).ok());
  EXPECT_TRUE(writer.finish().ok());
  return ShardReader::open(posix_file_system(), prefix).take_value();
}

TEST(DocumentsOfAWindow, AreThoseOfItsInputs) {
  TemporaryDirectory directory;
  const ShardReader shard = shard_of(directory, {3, 0, 5, 4, 9, 1});  // 22 tokens
  const auto parts = documents_of(shard, 4, 0);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].document, 0);
  EXPECT_EQ(parts[0].tokens(), 3);
  EXPECT_EQ(parts[1].document, 2);
  EXPECT_EQ(parts[1].begin, 3);
  EXPECT_EQ(parts[1].end, 4);
  // Token 8, where document 3 begins, is only a label of window 1, and a masked one.
  EXPECT_EQ(documents_of(shard, 4, 1).back().document, 2);
}

TEST(DocumentsOfAWindow, AndWindowsOfADocumentAreEachOthersInverse) {
  TemporaryDirectory directory;
  const ShardReader shard = shard_of(directory, {3, 0, 5, 4, 9, 1, 13, 2, 0, 1});
  for (const int64_t seq_len : {1, 4, 5, 37, 100}) {
    const int64_t windows = windows_in(shard.total_tokens(), seq_len);
    std::set<std::pair<int64_t, int64_t>> forward, backward;
    for (int64_t w = 0; w < windows; ++w)
      for (const DocumentPart& part : documents_of(shard, seq_len, w))
        forward.emplace(part.document, w);
    for (int64_t d = 0; d < shard.documents(); ++d) {
      const auto [begin, end] = windows_of(shard, seq_len, d);
      for (int64_t w = begin; w < end; ++w) backward.emplace(d, w);
    }
    EXPECT_EQ(forward, backward) << seq_len;
  }
}

}  // namespace
}  // namespace ballast
