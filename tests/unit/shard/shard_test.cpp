#include <gtest/gtest.h>

#include <numeric>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/writer.h"

namespace ballast {
namespace {

void put_file(FileSystem& fs, const std::string& path, std::string_view bytes) {
  if (fs.exists(path)) {
    ASSERT_TRUE(fs.remove(path).ok());
  }
  auto file = fs.create_exclusive(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->append(as_bytes(bytes)).ok());
  ASSERT_TRUE((*file)->close().ok());
}

void write_shard(FileSystem& fs, const std::vector<std::vector<int32_t>>& documents,
                 int64_t vocab_size) {
  ShardWriter writer(fs, "s", vocab_size, true);
  for (const auto& document : documents) ASSERT_TRUE(writer.append_document(document).ok());
  const auto outputs = writer.finish();
  ASSERT_TRUE(outputs.ok()) << outputs.error().message();
  for (const auto& output : *outputs) {
    const auto bytes = read_file(fs, output.path);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(static_cast<int64_t>(bytes->size()), output.bytes);
    EXPECT_EQ(xxh3_128(as_bytes(*bytes)), output.hash);
  }
}

class ShardRoundTrip : public testing::TestWithParam<int64_t> {};

TEST_P(ShardRoundTrip, GivesBackTokensAndBorders) {
  MemoryFileSystem fs;
  const std::vector<std::vector<int32_t>> documents = {{1, 5, 2}, {}, {1, 300, 40000, 2}, {7}};
  write_shard(fs, documents, GetParam());
  const auto reader = ShardReader::open(fs, "s");
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ(reader->documents(), 4);
  EXPECT_EQ(reader->total_tokens(), 8);
  std::vector<int32_t> all(8);
  ASSERT_TRUE(reader->read_tokens(0, all).ok());
  EXPECT_EQ(all, (std::vector<int32_t>{1, 5, 2, 1, 300, 40000, 2, 7}));
  std::vector<int32_t> some(3);
  ASSERT_TRUE(reader->read_tokens(2, some).ok());
  EXPECT_EQ(some, (std::vector<int32_t>{2, 1, 300}));
  EXPECT_EQ(reader->document_of(2), 0);
  EXPECT_EQ(reader->document_of(3), 2);
  EXPECT_EQ(reader->document_start(6), 3);
  EXPECT_EQ(reader->document_start(7), 7);
  EXPECT_FALSE(reader->read_tokens(6, some).ok());
  EXPECT_FALSE(reader->read_tokens(-1, some).ok());
}

INSTANTIATE_TEST_SUITE_P(Types, ShardRoundTrip, testing::Values(65499, 65500));

TEST(ShardWriter, TakesTheTypeMegatronWouldTake) {
  EXPECT_EQ(token_type_for(65499), TokenType::u16);
  EXPECT_EQ(token_type_for(65500), TokenType::i32);
}

TEST(ShardWriter, LaysTheIndexOutAsDocumented) {
  MemoryFileSystem fs;
  write_shard(fs, {{1, 2, 3}, {4}}, 100);
  const auto idx = read_file(fs, "s.idx");
  ASSERT_TRUE(idx.ok());
  ASSERT_EQ(idx->size(), 42U + 20 * 2);
  EXPECT_EQ(idx->substr(0, 9), std::string_view("MMIDIDX\0\0", 9));
  EXPECT_EQ(load_le<uint64_t>(&(*idx)[9]), 1U);
  EXPECT_EQ(static_cast<int>((*idx)[17]), 8);
  EXPECT_EQ(load_le<uint64_t>(&(*idx)[18]), 2U);
  EXPECT_EQ(load_le<uint64_t>(&(*idx)[26]), 3U);
  EXPECT_EQ(load_le<int32_t>(&(*idx)[34]), 3);
  EXPECT_EQ(load_le<int32_t>(&(*idx)[38]), 1);
  EXPECT_EQ(load_le<int64_t>(&(*idx)[42]), 0);
  EXPECT_EQ(load_le<int64_t>(&(*idx)[50]), 6);
  EXPECT_EQ(load_le<int64_t>(&(*idx)[58]), 0);
  EXPECT_EQ(load_le<int64_t>(&(*idx)[66]), 1);
  EXPECT_EQ(load_le<int64_t>(&(*idx)[74]), 2);
}

TEST(ShardWriter, RefusesIdsOutsideTheVocabulary) {
  MemoryFileSystem fs;
  ShardWriter writer(fs, "s", 10, false);
  EXPECT_EQ(writer.append_document(std::vector<int32_t>{10}).error().kind, ErrorKind::usage);
  EXPECT_EQ(writer.append_document(std::vector<int32_t>{-1}).error().kind, ErrorKind::usage);
  EXPECT_TRUE(writer.append_document(std::vector<int32_t>{9}).ok());
}

TEST(ShardWriter, WritesAnEmptyShard) {
  MemoryFileSystem fs;
  write_shard(fs, {}, 100);
  const auto reader = ShardReader::open(fs, "s");
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ(reader->documents(), 0);
  EXPECT_EQ(reader->total_tokens(), 0);
}

TEST(ShardWriter, LeavesNothingWhenAnyOperationFails) {
  for (int64_t fail_at = 1;; ++fail_at) {
    MemoryFileSystem inner;
    FaultyFileSystem fs(inner, fail_at, false);
    ShardWriter writer(fs, "s", 100, false);
    ASSERT_TRUE(writer.append_document(std::vector<int32_t>{1, 2}).ok());
    const auto outputs = writer.finish();
    if (outputs.ok()) break;
    ASSERT_LT(fail_at, 100);
    // Either nothing of the shard is there, or what is there is a whole file.
    for (const char* path : {"s.bin", "s.idx"}) {
      if (inner.exists(path)) {
        EXPECT_GT(read_file(inner, path)->size(), 0U) << fail_at;
      }
    }
  }
}

// Every change of one header or table field is found.
TEST(ShardReader, RefusesAnIndexThatDisagrees) {
  struct Case {
    size_t offset;
    std::string bytes;
    const char* says;
  };
  const auto word = [](uint64_t value) {
    return std::string(reinterpret_cast<const char*>(&value), 8);
  };
  const std::vector<Case> cases = {
      {0, "X", "not a shard index"},
      {9, word(2), "version 2"},
      {17, std::string(1, '\x05'), "int64"},
      {17, std::string(1, '\x63'), "unknown token type 99"},
      {18, word(3), "counts disagree"},
      {18, word(uint64_t{1} << 62), "counts disagree"},
      {26, word(0), "counts disagree"},
      {26, word(~uint64_t{0}), "counts disagree"},
      {34, std::string("\xff\xff\xff\xff", 4), "predecessor"},
      {34, std::string("\x04\0\0\0", 4), "predecessor"},
      {38, std::string("\x02\0\0\0", 4), "size of the data"},
      {50, word(8), "predecessor"},
      {58, word(1), "ascending from 0"},
      {66, word(9), "ascending"},
      {74, word(1), "last sequence"},
  };
  MemoryFileSystem fs;
  write_shard(fs, {{1, 2, 3}, {4}}, 100);
  const std::string good = *read_file(fs, "s.idx");
  for (const Case& c : cases) {
    std::string bad = good;
    bad.replace(c.offset, c.bytes.size(), c.bytes);
    put_file(fs, "s.idx", bad);
    const auto reader = ShardReader::open(fs, "s");
    ASSERT_FALSE(reader.ok()) << c.says;
    EXPECT_EQ(reader.error().kind, ErrorKind::corrupt);
    EXPECT_NE(reader.error().message().find(c.says), std::string::npos) << reader.error().message();
  }
  for (size_t size = 0; size < good.size(); ++size) {
    put_file(fs, "s.idx", good.substr(0, size));
    EXPECT_FALSE(ShardReader::open(fs, "s").ok()) << size;
  }
  put_file(fs, "s.idx", good + std::string(2, '\0'));
  EXPECT_NE(ShardReader::open(fs, "s").error().message().find("multimodal"), std::string::npos);
}

TEST(ShardReader, RefusesDataOfAnotherSize) {
  MemoryFileSystem fs;
  write_shard(fs, {{1, 2, 3}, {4}}, 100);
  const std::string good = *read_file(fs, "s.bin");
  put_file(fs, "s.bin", good.substr(1));
  EXPECT_EQ(ShardReader::open(fs, "s").error().kind, ErrorKind::corrupt);
  put_file(fs, "s.bin", good + "\0\0");
  EXPECT_TRUE(ShardReader::open(fs, "s").ok());
  put_file(fs, "s.bin", good + "xx");
  EXPECT_EQ(ShardReader::open(fs, "s").error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace ballast
