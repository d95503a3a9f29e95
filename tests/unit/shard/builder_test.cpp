#include "libcore/shard/builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/record_sorter.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

ShardManifest manifest() {
  ShardManifest made;
  made.tool = "tokshard test";
  made.tokenizer_sha256 = std::string(64, 'a');
  made.vocab_size = 50;
  made.bos = 0;
  made.part = "all";
  made.inputs = {{"docs.jsonl", 7, xxh3_128(as_bytes("x"))}};
  made.run = {{"host", "h"}};
  return made;
}

Result<ShardManifest> build(FileSystem& fs) {
  ShardBuilder builder(fs, "d/s", manifest(), true);
  for (int i = 0; i < 5; ++i) {
    ShardDocument document;
    document.id = std::to_string(i);
    document.language = i % 2 ? "de" : "";
    document.filters = {"pii"};
    document.sha256 = std::string(64, '0');
    BALLAST_TRY(builder.append(document, std::vector<int32_t>(static_cast<size_t>(i + 1), i)));
  }
  return builder.finish();
}

void change(FileSystem& fs, const std::string& path, const std::function<void(std::string&)>& how) {
  std::string bytes = *read_file(fs, path);
  how(bytes);
  ASSERT_TRUE(fs.remove(path).ok());
  auto file = fs.create_exclusive(path);
  ASSERT_TRUE(file.ok() && (*file)->append(as_bytes(bytes)).ok() && (*file)->close().ok());
}

TEST(ShardBuilder, CountsWhatItWrites) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  const auto built = build(fs);
  ASSERT_TRUE(built.ok()) << built.error().message();
  const auto read = read_manifest(fs, "d/s");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(manifest_json(*read), manifest_json(*built));
  EXPECT_EQ(read->documents, 5);
  EXPECT_EQ(read->tokens, 15);
  EXPECT_EQ(read->languages.at("de").tokens, 6);
  EXPECT_EQ(read->languages.at("unknown").documents, 3);
  EXPECT_EQ(read->filters.at("pii"), 5);
  EXPECT_EQ(read->token_counts[4], 5);
  EXPECT_EQ(read->outputs[0].path, "s.bin");
}

TEST(ShardBuilder, PublishesTheManifestLast) {
  for (int64_t fail_at = 1;; ++fail_at) {
    MemoryFileSystem inner;
    ASSERT_TRUE(inner.make_directories("d").ok());
    FaultyFileSystem fs(inner, fail_at);
    if (build(fs).ok()) break;
    ASSERT_LT(fail_at, 200);
    if (!inner.exists("d/s.manifest.json")) continue;
    const auto verdict = verify_shard(inner, "d/s", true);
    ASSERT_TRUE(verdict.ok()) << verdict.error().message();
    EXPECT_TRUE(verdict->damage.empty()) << verdict->damage.front();
  }
}

TEST(VerifyShard, PassesASoundShard) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  ASSERT_TRUE(build(fs).ok());
  const auto verdict = verify_shard(fs, "d/s", true);
  ASSERT_TRUE(verdict.ok());
  EXPECT_TRUE(verdict->damage.empty());
  EXPECT_EQ(verdict->tokens, 15);
  ASSERT_TRUE(fs.remove("d/s.manifest.json").ok());
  EXPECT_EQ(verify_shard(fs, "d/s", true)->missing.size(), 1U);
}

TEST(VerifyShard, FindsEveryFlippedBit) {
  for (const char* file : {"d/s.bin", "d/s.idx", "d/s.docs.jsonl.zst"}) {
    MemoryFileSystem fs;
    ASSERT_TRUE(fs.make_directories("d").ok());
    ASSERT_TRUE(build(fs).ok());
    const size_t size = read_file(fs, file)->size();
    for (size_t at = 0; at < size; ++at) {
      const auto flip = [at](std::string& bytes) { bytes[at] = static_cast<char>(bytes[at] ^ 4); };
      change(fs, file, flip);
      const auto verdict = verify_shard(fs, "d/s", true);
      ASSERT_TRUE(verdict.ok());
      ASSERT_FALSE(verdict->damage.empty()) << file << " at " << at;
      change(fs, file, flip);
    }
  }
}

TEST(VerifyShard, FindsMissingFilesAndOtherCounts) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  ASSERT_TRUE(build(fs).ok());
  change(fs, "d/s.manifest.json", [](std::string& text) {
    text.replace(text.find("\"tokens\": 15"), 12, "\"tokens\": 16");
  });
  EXPECT_FALSE(verify_shard(fs, "d/s", false)->damage.empty());
  ASSERT_TRUE(build(fs).ok());
  ASSERT_TRUE(fs.remove("d/s.docs.jsonl.zst").ok());
  EXPECT_FALSE(verify_shard(fs, "d/s", false)->damage.empty());
  ASSERT_TRUE(fs.remove("d/s.bin").ok());
  EXPECT_EQ(verify_shard(fs, "d/s", false).error().kind, ErrorKind::io);
}

TEST(Manifest, RefusesWhatIsMissingOrWrong) {
  const std::string good = to_json_line(manifest_json(manifest()));
  ASSERT_TRUE(parse_manifest(good, "m").ok());
  const Json json = *parse_json(good, "m");
  for (const auto& item : json.items()) {
    Json without = json;
    without.erase(item.key());
    EXPECT_FALSE(parse_manifest(to_json_line(without), "m").ok()) << item.key();
    Json wrong = json;
    wrong[item.key()] = Json::array({Json::object()});
    if (item.key() != "run") {
      EXPECT_FALSE(parse_manifest(to_json_line(wrong), "m").ok());
    }
  }
  Json large = json;
  large["vocab_size"] = kMaxShardVocab;
  EXPECT_TRUE(parse_manifest(to_json_line(large), "m").ok());
  large["vocab_size"] = kMaxShardVocab + 1;
  EXPECT_FALSE(parse_manifest(to_json_line(large), "m").ok());
}

std::vector<std::string> sorted(int64_t memory, const std::vector<std::string>& records) {
  MemoryFileSystem fs;
  std::vector<std::string> out;
  {
    RecordSorter sorter(fs, "spill", memory);
    for (const std::string& record : records)
      EXPECT_TRUE(sorter.add({xxh3_64(record) % 50, 0}, record).ok());
    EXPECT_TRUE(sorter
                    .drain([&](std::string_view record) {
                      out.emplace_back(record);
                      return Result<void>();
                    })
                    .ok());
  }
  EXPECT_FALSE(fs.exists("spill"));
  return out;
}

TEST(RecordSorter, GivesTheSameOrderWithAnyMemory) {
  std::mt19937 random(301);
  std::vector<std::string> records;
  for (int i = 0; i < 3000; ++i)
    records.push_back(std::to_string(i) + std::string(random() % 300, 'x'));
  records.emplace_back();
  records.push_back(std::string(1 << 20, 'y'));
  auto expected = records;
  std::stable_sort(expected.begin(), expected.end(),
                   [](const auto& a, const auto& b) { return xxh3_64(a) % 50 < xxh3_64(b) % 50; });
  for (const int64_t memory : {int64_t{1} << 30, int64_t{100000}, int64_t{3000}})
    EXPECT_EQ(sorted(memory, records), expected) << memory;
}

}  // namespace
}  // namespace ballast
