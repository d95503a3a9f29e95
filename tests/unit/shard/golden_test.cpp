// Shards of every released version stay readable; the files come from an independent writer
// (tests/golden/shard/make_v1.py).
#include <gtest/gtest.h>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/verify.h"
#include "libcore/shard/writer.h"

namespace ballast {
namespace {

const std::string kGolden = BALLAST_SOURCE_DIR "/tests/golden/shard/v1/tiny";

TEST(ShardGolden, Version1IsReadWhole) {
  FileSystem& fs = posix_file_system();
  const auto verdict = verify_shard(fs, kGolden, true);
  ASSERT_TRUE(verdict.ok()) << verdict.error().message();
  EXPECT_TRUE(verdict->damage.empty()) << verdict->damage.front();
  EXPECT_TRUE(verdict->missing.empty());
  EXPECT_EQ(verdict->documents, 4);
  EXPECT_EQ(verdict->tokens, 14);
  auto sidecar = SidecarReader::open(fs, kGolden);
  ASSERT_TRUE(sidecar.ok());
  EXPECT_EQ(sidecar->read(3)->id, "doc-d");
  EXPECT_EQ(sidecar->hosts().at("b.example"), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(sidecar->hosts().at(""), (std::vector<int64_t>{1}));
}

TEST(ShardGolden, Version1IsWrittenTheSame) {
  MemoryFileSystem fs;
  ShardWriter writer(fs, "tiny", 512, false);
  for (const auto& tokens :
       std::vector<std::vector<int32_t>>{{0, 300, 7, 1}, {0, 1}, {0, 511, 1}, {0, 5, 5, 5, 1}})
    ASSERT_TRUE(writer.append_document(tokens).ok());
  ASSERT_TRUE(writer.finish().ok());
  for (const char* ending : {".bin", ".idx"})
    EXPECT_EQ(*read_file(fs, std::string("tiny") + ending),
              *read_file(posix_file_system(), kGolden + ending))
        << ending;
}

// The bytes of the EXAMPLES section of ballast-shard(5).
TEST(ShardGolden, ManualShowsTheBytesWeWrite) {
  const std::string page =
      *read_file(posix_file_system(), BALLAST_SOURCE_DIR "/man/ballast-shard.5");
  const size_t begin = page.find("4d 4d 49");
  const std::string shown = page.substr(begin, page.find(".Ed", begin) - begin);
  std::string bytes;
  for (size_t i = 0; i + 1 < shown.size(); ++i) {
    if (shown[i] == ' ' || shown[i] == '\n') continue;
    bytes += static_cast<char>(std::stoi(shown.substr(i, 2), nullptr, 16));
    ++i;
  }
  MemoryFileSystem fs;
  ShardWriter writer(fs, "s", 100, false);
  ASSERT_TRUE(writer.append_document(std::vector<int32_t>{1, 2, 3}).ok());
  ASSERT_TRUE(writer.append_document(std::vector<int32_t>{4}).ok());
  ASSERT_TRUE(writer.finish().ok());
  EXPECT_EQ(*read_file(fs, "s.idx"), bytes);
}

}  // namespace
}  // namespace ballast
