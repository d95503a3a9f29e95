#include "libcore/shard/split.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libcore/base/sha256.h"
#include "libcore/io/memory_file_system.h"
#include "libcore/shard/merge.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/redact.h"
#include "libcore/shard/set_builder.h"
#include "libcore/shard/shard_set.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

constexpr int kDocuments = 60;

ShardManifest manifest() {
  ShardManifest made;
  made.tool = "test";
  made.tokenizer_sha256 = std::string(64, 'a');
  made.vocab_size = 100;
  made.eos = 1;
  made.part = "all";
  made.skipped = 3;
  return made;
}

ShardDocument document(int i) {
  ShardDocument made;
  made.id = "d" + std::to_string(i);
  made.language = i % 3 == 0 ? "" : i % 3 == 1 ? "de" : "en";
  made.host = i % 2 ? "a.example" : "b/c";
  made.bytes = i;
  made.sha256 = sha256_hex(made.id);
  return made;
}

// Document i has (i * 7) % 11 tokens of id i + 1, so some are empty.
std::vector<int32_t> tokens(int i) {
  return std::vector<int32_t>(static_cast<size_t>(i * 7 % 11), i + 1);
}

template <class Builder>
void fill(Builder& builder, int count = kDocuments) {
  for (int i = 0; i < count; ++i) ASSERT_TRUE(builder.append(document(i), tokens(i)).ok());
  const auto made = builder.finish();
  ASSERT_TRUE(made.ok()) << made.error().message();
}

void make_shard(FileSystem& fs) {
  ASSERT_TRUE(fs.make_directories("d").ok());
  ShardBuilder builder(fs, "d/web", manifest(), false);
  fill(builder);
}

void expect_sound(FileSystem& fs, const std::string& prefix) {
  const auto verdict = verify_shard(fs, prefix, true);
  ASSERT_TRUE(verdict.ok()) << verdict.error().message();
  EXPECT_TRUE(verdict->damage.empty()) << verdict->damage.front();
}

SplitOptions options() {
  SplitOptions made;
  made.tool = "test";
  return made;
}

TEST(ShardSetBuilder, CutsBetweenDocumentsAtTheLimit) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  ShardSetBuilder builder(fs, "d/set", manifest(), 20, false);
  fill(builder);
  const auto members = shard_prefixes(fs, "d/set");
  ASSERT_TRUE(members.ok()) << members.error().message();
  int next = 0;
  for (const std::string& member : *members) {
    expect_sound(fs, member);
    const auto reader = ShardReader::open(fs, member);
    ASSERT_LE(reader->total_tokens(), 20);
    // Full: the next document would not have fitted.
    next += static_cast<int>(reader->documents());
    if (next < kDocuments) {
      EXPECT_GT(reader->total_tokens() + std::ssize(tokens(next)), 20);
    }
    EXPECT_EQ(read_manifest(fs, member)->skipped, member == members->front() ? 3 : 0);
  }
  EXPECT_EQ(next, kDocuments);
  // A document above the limit has a shard of its own.
  ShardSetBuilder tight(fs, "d/tight", manifest(), 1, false);
  fill(tight, 3);  // of 0, 7 and 3 tokens
  EXPECT_EQ(ShardReader::open(fs, "d/tight-00001")->total_tokens(), 7);
  EXPECT_EQ(shard_prefixes(fs, "d/tight")->size(), 3U);
}

TEST(ShardSetBuilder, ShowsAWholeSetOrNoFirstShard) {
  bool finished = false;
  for (int64_t fail_at = 1; !finished; ++fail_at) {
    MemoryFileSystem inner;
    ASSERT_TRUE(inner.make_directories("d").ok());
    FaultyFileSystem fs(inner, fail_at);
    ShardSetBuilder builder(fs, "d/set", manifest(), 40, false);
    const auto build = [&]() -> Result<void> {
      for (int i = 0; i < 20; ++i) BALLAST_TRY(builder.append(document(i), tokens(i)));
      BALLAST_TRY(builder.finish());
      return {};
    };
    finished = build().ok();
    ASSERT_LT(fail_at, 500);
    if (!inner.exists("d/set-00000.manifest.json")) continue;
    const auto members = shard_prefixes(inner, "d/set");
    ASSERT_TRUE(members.ok());
    EXPECT_EQ(members->size(), 3U);
    for (const std::string& member : *members) expect_sound(inner, member);
  }
}

TEST(ShardSetBuilder, LeavesNothingOfAnEarlierSet) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  ShardSetBuilder first(fs, "d/set", manifest(), 20, false);
  fill(first);
  EXPECT_EQ(refuse_existing_set(fs, "d/set", 20, false).error().kind, ErrorKind::usage);
  EXPECT_TRUE(refuse_existing_set(fs, "d/set", 20, true).ok());
  ShardBuilder alone(fs, "d/set", manifest(), false);
  fill(alone, 3);
  ShardSetBuilder second(fs, "d/set", manifest(), 200, true);
  fill(second);
  const auto names = fs.list("d");
  EXPECT_EQ(names->size(), 8U);  // two shards of four files
  EXPECT_EQ(shard_prefixes(fs, "d/set")->size(), 2U);
}

// Not those of builders that are at work, or died.
size_t finished_files(FileSystem& fs) {
  size_t count = 0;
  const auto names = fs.list("d");
  for (const std::string& name : *names)
    if (name.find(".tmp-") == name.npos) ++count;
  return count;
}

// Shards of these names stand by themselves.
void make_apart(FileSystem& fs) {
  for (const char* name : {"d/set-20231101", "d/set-2023", "d/set-12345"}) {
    ShardBuilder builder(fs, name, manifest(), false);
    fill(builder, 2);
  }
}

TEST(ShardSetBuilder, RemovesNoShardThatIsNoneOfTheSet) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  make_apart(fs);
  EXPECT_TRUE(refuse_existing_set(fs, "d/set", std::nullopt, false).ok());
  ShardSetBuilder one(fs, "d/set", manifest(), std::nullopt, false);
  fill(one);
  ShardSetBuilder again(fs, "d/set", manifest(), std::nullopt, true);
  fill(again, 3);
  EXPECT_EQ(finished_files(fs), 16U);
  // Behind a gap, d/set-12345 would make the set a damaged one, and nobody asked for its removal.
  EXPECT_EQ(refuse_existing_set(fs, "d/set", 20, false).error().kind, ErrorKind::usage);
  ShardSetBuilder many(fs, "d/set", manifest(), 20, true);
  ASSERT_TRUE(many.append(document(1), tokens(1)).ok());
  const auto made = many.finish();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message(),
            "would be taken for a shard of the set: d/set-12345 (which ends with set-00000; move "
            "it or remove it)");
  EXPECT_EQ(finished_files(fs), 16U);
  for (const auto& path : shard_paths("d/set-12345")) ASSERT_TRUE(fs.remove(path).ok());
  ShardSetBuilder set(fs, "d/set", manifest(), 20, true);
  fill(set);
  EXPECT_FALSE(fs.exists("d/set.idx"));
  for (const char* name : {"d/set-20231101", "d/set-2023"}) expect_sound(fs, name);
  EXPECT_EQ(shard_prefixes(fs, "d/set")->back(),
            shard_set_member("d/set", std::ssize(*shard_prefixes(fs, "d/set")) - 1));
}

// A death that leaves a gap would leave shards that nothing removes any more.
void expect_replaced_by_the_next(bool earlier_set, int64_t first_limit,
                                 std::optional<int64_t> limit) {
  bool finished = false;
  for (int64_t fail_at = 1; !finished; ++fail_at) {
    MemoryFileSystem inner;
    ASSERT_TRUE(inner.make_directories("d").ok());
    if (earlier_set) {
      ShardSetBuilder first(inner, "d/set", manifest(), 20, false);
      fill(first);
      ASSERT_GT(shard_prefixes(inner, "d/set")->size(), 9U);
    }
    {
      FaultyFileSystem fs(inner, fail_at);
      ShardSetBuilder dying(fs, "d/set", manifest(), first_limit, true);
      const auto build = [&]() -> Result<void> {
        for (int i = 0; i < kDocuments; ++i) BALLAST_TRY(dying.append(document(i), tokens(i)));
        BALLAST_TRY(dying.finish());
        return {};
      };
      finished = build().ok();
    }
    ASSERT_LT(fail_at, 2000);
    ASSERT_TRUE(refuse_existing_set(inner, "d/set", limit, true).ok()) << fail_at;
    ShardSetBuilder next(inner, "d/set", manifest(), limit, true);
    fill(next);
    const auto members = shard_prefixes(inner, "d/set");
    ASSERT_TRUE(members.ok()) << members.error().message();
    EXPECT_EQ(members->size(), limit ? 2U : 1U);
    EXPECT_EQ(finished_files(inner), 4 * members->size());
  }
}

TEST(ShardSetBuilder, WhatADeathLeavesIsReplacedByTheNext) {
  for (const std::optional<int64_t> limit : {std::optional<int64_t>(200), {}})
    for (const bool earlier_set : {true, false})
      for (const int64_t first_limit : {200, 20})
        expect_replaced_by_the_next(earlier_set, first_limit, limit);
}

TEST(SplitShard, NeverReplacesItsInput) {
  MemoryFileSystem fs;
  make_shard(fs);
  SplitOptions quarters = options(), halves = options(), keys = options();
  quarters.parts = 4;
  halves.parts = 2;
  keys.by = SplitKey::language;
  halves.force = keys.force = true;
  ASSERT_TRUE(split_shard(fs, "d/web", "d/set", quarters).ok());
  SplitOptions sized = options();
  sized.shard_tokens = 1000;
  sized.force = true;
  ASSERT_TRUE(split_shard(fs, "d/web", "d/web", keys).ok());
  const auto before = fs.list("d");
  const auto expect_refused = [&](const std::string& input, const std::string& target,
                                  const SplitOptions& how) {
    const auto made = split_shard(fs, input, target, how);
    ASSERT_FALSE(made.ok()) << input;
    EXPECT_TRUE(made.error().message().starts_with("output is also an input: " + input))
        << made.error().message();
    EXPECT_EQ(*fs.list("d"), *before);
  };
  expect_refused("d/set-00000", "d/set", halves);  // a member that is written
  expect_refused("d/set-00003", "d/set", halves);  // one that would be stale
  expect_refused("d/set-00001", "d/set", sized);
  expect_refused("d/web", "d/web", halves);
  expect_refused("d/web-de", "d/web", keys);
  for (const char* name : {"d/set-00000", "d/set-00003", "d/web", "d/web-de"})
    expect_sound(fs, name);
  // Others are replaced as before.
  EXPECT_TRUE(split_shard(fs, "d/web", "d/set", halves).ok());
  EXPECT_EQ(shard_prefixes(fs, "d/set")->size(), 2U);
  EXPECT_TRUE(split_shard(fs, "d/web", "d/web", keys).ok());
}

void expect_round_trip(FileSystem& fs, const std::vector<SplitPiece>& pieces) {
  std::vector<std::string> prefixes;
  for (const SplitPiece& piece : pieces) {
    prefixes.push_back(piece.prefix);
    expect_sound(fs, piece.prefix);
  }
  const auto merged = merge_shards(fs, prefixes, "d/again", {"test", Json::object(), true});
  ASSERT_TRUE(merged.ok()) << merged.error().message();
  for (const auto path : {shard_bin_path, shard_idx_path, shard_docs_path})
    EXPECT_EQ(*read_file(fs, path("d/web")), *read_file(fs, path("d/again")));
  const auto before = read_manifest(fs, "d/web");
  EXPECT_EQ(merged->front().skipped, before->skipped);
  EXPECT_EQ(read_manifest(fs, "d/again")->token_counts, before->token_counts);
}

TEST(SplitShard, MergesBackToTheSameBytes) {
  for (const int64_t limit : {1, 13, 100, 100000}) {
    MemoryFileSystem fs;
    make_shard(fs);
    SplitOptions by_size = options();
    by_size.shard_tokens = limit;
    const auto pieces = split_shard(fs, "d/web", "d/p", by_size);
    ASSERT_TRUE(pieces.ok()) << pieces.error().message();
    expect_round_trip(fs, *pieces);
  }
  for (const int64_t parts : {1, 2, 7, kDocuments}) {
    MemoryFileSystem fs;
    make_shard(fs);
    SplitOptions by_number = options();
    by_number.parts = parts;
    const auto pieces = split_shard(fs, "d/web", "d/p", by_number);
    ASSERT_TRUE(pieces.ok()) << pieces.error().message();
    EXPECT_EQ(std::ssize(*pieces), parts);
    expect_round_trip(fs, *pieces);
    // A piece is at most a document above its part.
    const int64_t all = ShardReader::open(fs, "d/web")->total_tokens();
    if (parts < 10) {
      for (const SplitPiece& piece : *pieces) {
        EXPECT_LE(piece.manifest.tokens, all / parts + 11);
      }
    }
  }
  MemoryFileSystem fs;
  make_shard(fs);
  SplitOptions too_many = options();
  too_many.parts = kDocuments + 1;
  EXPECT_EQ(split_shard(fs, "d/web", "d/p", too_many).error().kind, ErrorKind::usage);
}

TEST(SplitShard, ByKeyGivesEveryValueItsShard) {
  MemoryFileSystem fs;
  make_shard(fs);
  SplitOptions by_language = options();
  by_language.by = SplitKey::language;
  const auto pieces = split_shard(fs, "d/web", "d/web", by_language);
  ASSERT_TRUE(pieces.ok()) << pieces.error().message();
  ASSERT_EQ(pieces->size(), 3U);
  EXPECT_EQ((*pieces)[0].prefix, "d/web-de");
  EXPECT_EQ((*pieces)[2].prefix, "d/web-unknown");
  const auto whole = read_manifest(fs, "d/web");
  for (const auto& [name, count] : whole->languages) {
    const auto piece = read_manifest(fs, "d/web-" + name);
    EXPECT_EQ(piece->tokens, count.tokens);
    EXPECT_EQ(piece->languages.size(), 1U);
    EXPECT_EQ(piece->languages.at(name).bytes, count.bytes);
    EXPECT_EQ(piece->made_from[0].documents, count.documents);
    expect_sound(fs, "d/web-" + name);
  }
  auto sidecar = SidecarReader::open(fs, "d/web-en");
  EXPECT_EQ(sidecar->read(0)->id, "d2");
  EXPECT_EQ(sidecar->read(1)->id, "d5");
  SplitOptions by_host = options();
  by_host.by = SplitKey::host;
  ASSERT_TRUE(split_shard(fs, "d/web", "d/h", by_host).ok());
  EXPECT_TRUE(fs.exists("d/h-b%2Fc.idx"));
  by_host.max_values = 1;
  by_host.force = true;
  EXPECT_EQ(split_shard(fs, "d/web", "d/h", by_host).error().message(),
            "too many values to split by: d/web (at most 1)");
}

TEST(SplitShard, KeepsTombstones) {
  MemoryFileSystem fs;
  make_shard(fs);
  RedactOptions redact;
  redact.list_sha256 = std::string(64, 'b');
  redact.tool = "test";
  const std::vector<int64_t> gone = {2, 3, 30};  // of 3, 10 and 1 tokens
  ASSERT_TRUE(redact_shard(fs, "d/web", "d/red", gone, redact).ok());
  SplitOptions halves = options();
  halves.parts = 2;
  const auto pieces = split_shard(fs, "d/red", "d/p", halves);
  ASSERT_TRUE(pieces.ok()) << pieces.error().message();
  int64_t documents = 0, buried = 0;
  for (const SplitPiece& piece : *pieces) {
    expect_sound(fs, piece.prefix);
    documents += piece.manifest.redaction->documents;
    for (const Tombstone& range : piece.manifest.redaction->tombstones)
      buried += range.end - range.begin;
  }
  EXPECT_EQ(documents, 3);
  EXPECT_EQ(buried, 14);
}

}  // namespace
}  // namespace ballast
