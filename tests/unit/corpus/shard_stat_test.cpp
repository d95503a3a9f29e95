#include "libcore/corpus/shard_stat.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "libcore/base/sha256.h"
#include "libcore/io/memory_file_system.h"
#include "libcore/shard/builder.h"

namespace ballast {
namespace {

ShardManifest manifest() {
  ShardManifest made;
  made.tool = "test";
  made.tokenizer_sha256 = std::string(64, 'a');
  made.vocab_size = 100;
  made.part = "all";
  return made;
}

// Document i of `count` has i + 1 tokens and, unless unknown, 4 bytes for each.
void make_shard(FileSystem& fs, const std::string& prefix, int count, bool bytes = true) {
  ShardBuilder builder(fs, prefix, manifest(), false);
  for (int i = 0; i < count; ++i) {
    ShardDocument document;
    document.id = "d" + std::to_string(i);
    document.language = i % 2 ? "de" : "";
    document.host = i % 3 ? "a.example" : "";
    if (bytes) document.bytes = 4 * (i + 1);
    document.sha256 = sha256_hex(document.id);
    ASSERT_TRUE(builder.append(document, std::vector<int32_t>(static_cast<size_t>(i + 1), 7)).ok());
  }
  const auto made = builder.finish();
  ASSERT_TRUE(made.ok()) << made.error().message();
}

ShardStat stat_of(FileSystem& fs, const std::string& prefix) {
  const auto stat = read_shard_stat(fs, prefix);
  EXPECT_TRUE(stat.ok()) << stat.error().message();
  return stat.ok() ? *stat : ShardStat();
}

void change_manifest(MemoryFileSystem& fs, const std::string& prefix, const std::string& from,
                     const std::string& to) {
  const std::string path = shard_manifest_path(prefix);
  std::string text = *read_file(fs, path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << text;
  ASSERT_TRUE(fs.remove(path).ok());
  auto file = fs.create_exclusive(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->append(as_bytes(text.replace(at, from.size(), to))).ok());
  ASSERT_TRUE((*file)->close().ok());
}

TEST(ShardStat, CountsWhatIndexManifestAndSidecarSay) {
  MemoryFileSystem fs;
  make_shard(fs, "web", 5);
  const ShardStat stat = stat_of(fs, "web");
  EXPECT_EQ(stat.documents, 5);
  EXPECT_EQ(stat.tokens, 15);
  EXPECT_EQ(stat.bytes, 60);
  EXPECT_EQ(stat.languages.at("de").tokens, 6);
  EXPECT_EQ(stat.languages.at("unknown").documents, 3);
  EXPECT_EQ(tokens_per_byte(stat.tokens, stat.bytes), 0.25);
  EXPECT_EQ(stat.hosts.at(""), 2);
  EXPECT_EQ(stat.hosts.at("a.example"), 3);
  EXPECT_EQ(stat.lengths.buckets[2], 2);
  EXPECT_EQ(stat.lengths.longest, 5);
}

TEST(ShardStat, SumsKnowBytesOnlyWhereAllShardsDo) {
  MemoryFileSystem fs;
  make_shard(fs, "web", 5);
  make_shard(fs, "old", 1, false);
  ShardStat sum;
  sum.add(stat_of(fs, "web"));
  EXPECT_EQ(sum.bytes, 60);
  sum.add(stat_of(fs, "old"));
  EXPECT_EQ(sum.shards, 2);
  EXPECT_EQ(sum.tokens, 16);
  EXPECT_EQ(sum.bytes, std::nullopt);
  EXPECT_EQ(sum.languages.at("unknown").bytes, std::nullopt);
  EXPECT_EQ(sum.languages.at("de").bytes, 24);
  EXPECT_EQ(tokens_per_byte(1, std::nullopt), std::nullopt);
  EXPECT_EQ(tokens_per_byte(1, 0), std::nullopt);
}

TEST(ShardStat, ABareShardIsUnknownInEverything) {
  MemoryFileSystem fs;
  make_shard(fs, "web", 5);
  ASSERT_TRUE(fs.remove("web.manifest.json").ok());
  ASSERT_TRUE(fs.remove("web.docs.jsonl.zst").ok());
  const ShardStat stat = stat_of(fs, "web");
  EXPECT_EQ(stat.sources.at("unknown").tokens, 15);
  EXPECT_EQ(stat.bytes, std::nullopt);
  EXPECT_TRUE(stat.hosts.empty());
}

TEST(ShardStat, RefusesManifestsThatDisagreeWithTheIndex) {
  const std::pair<const char*, const char*> changes[] = {
      {"\"tokens\": 15", "\"tokens\": 14"},
      {"\"documents\":2,\"tokens\":6", "\"documents\":2,\"tokens\":5"},
      {"\"documents\":2,\"tokens\":6", "\"documents\":3,\"tokens\":6"},
      {"\"bytes\":24", "\"bytes\":4503599627370496"}};
  for (const auto& [from, to] : changes) {
    MemoryFileSystem fs;
    make_shard(fs, "web", 5);
    change_manifest(fs, "web", from, to);
    const auto stat = read_shard_stat(fs, "web");
    ASSERT_FALSE(stat.ok()) << to;
    EXPECT_EQ(stat.error().kind, ErrorKind::corrupt);
    EXPECT_EQ(stat.error().where, "web.manifest.json");
  }
}

ShardManifest with_tombstones(const Tombstones& tombstones) {
  ShardManifest made = manifest();
  made.redaction.emplace();
  made.redaction->tombstones = tombstones;
  return made;
}

// Documents of 1, 0, 2 and 3 tokens; those that are named are redacted.
void make_redacted(FileSystem& fs, const std::string& prefix, const Tombstones& tombstones,
                   const std::vector<int>& redacted) {
  ShardBuilder builder(fs, prefix, with_tombstones(tombstones), false);
  constexpr size_t kLengths[] = {1, 0, 2, 3};
  for (int i = 0; i < 4; ++i) {
    ShardDocument document;
    document.redacted = std::ranges::count(redacted, i) > 0;
    if (!document.redacted) document.bytes = 10;
    document.sha256 = std::string(64, 'a');
    ASSERT_TRUE(builder.append(document, std::vector<int32_t>(kLengths[i], 7)).ok());
  }
  ASSERT_TRUE(builder.finish().ok());
}

TEST(ShardStat, RedactedDocumentsAreThoseThatTombstonesCover) {
  MemoryFileSystem fs;
  make_redacted(fs, "one", {{1, 3, 7}}, {2});
  make_redacted(fs, "most", {{0, 1, 7}, {1, 6, 8}}, {0, 2, 3});
  const ShardStat one = stat_of(fs, "one");
  EXPECT_EQ(one.documents, 4);
  EXPECT_EQ(one.tokens, 6);
  EXPECT_EQ(one.redacted_documents, 1);
  EXPECT_EQ(one.redacted_tokens, 2);
  EXPECT_EQ(one.languages.at("unknown").tokens, 4);
  EXPECT_EQ(one.bytes, 30);
  ShardStat sum = stat_of(fs, "most");
  EXPECT_EQ(sum.redacted_documents, 3);
  sum.add(one);
  EXPECT_EQ(sum.redacted_documents, 4);
  EXPECT_EQ(sum.redacted_tokens, 8);
  make_redacted(fs, "empty", {{1, 3, 7}}, {1, 2});  // no tombstone shows the one without tokens
  EXPECT_EQ(stat_of(fs, "empty").redacted_documents, 2);
  // Tombstones of other documents than those that the manifest does not count.
  make_redacted(fs, "other", {{0, 1, 7}}, {2});
  const auto other = read_shard_stat(fs, "other");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().where, "other.manifest.json");
}

TEST(ShardStat, RefusesASidecarOfOtherDocuments) {
  MemoryFileSystem fs;
  make_shard(fs, "web", 5);
  make_shard(fs, "few", 4);
  ASSERT_TRUE(fs.rename("few.docs.jsonl.zst", "web.docs.jsonl.zst").ok());
  const auto stat = read_shard_stat(fs, "web");
  ASSERT_FALSE(stat.ok());
  EXPECT_EQ(stat.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(stat.error().where, "web.docs.jsonl.zst");
}

TEST(ShardStat, RefusesDataOfAnotherSize) {
  MemoryFileSystem fs;
  make_shard(fs, "web", 5);
  ASSERT_TRUE(fs.truncate("web.bin", 28).ok());
  const auto stat = read_shard_stat(fs, "web");
  ASSERT_FALSE(stat.ok());
  EXPECT_EQ(stat.error().where, "web.bin");
}

}  // namespace
}  // namespace ballast
