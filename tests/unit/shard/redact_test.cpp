#include "libcore/shard/redact.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "libcore/base/hash.h"
#include "libcore/base/sha256.h"
#include "libcore/io/memory_file_system.h"
#include "libcore/shard/builder.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sample_hash.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

constexpr int64_t kDocuments = 40;
constexpr int32_t kEos = 1;
const std::vector<int64_t> kGone = {0, 3, 4, 17, 39};  // first, neighbours, last

// Document i has i tokens, so the first is empty.
void make_shard(FileSystem& fs, int64_t vocab_size = 300) {
  for (const char* folder : {"old", "new", "mid", "small", "a", "b"})
    ASSERT_TRUE(fs.make_directories(folder).ok());
  ASSERT_TRUE(fs.sync_directory(".").ok());
  ShardManifest manifest;
  manifest.tool = "test";
  manifest.vocab_size = vocab_size;
  manifest.eos = kEos;
  manifest.part = "all";
  ShardBuilder builder(fs, "old/web", manifest, false);
  for (int64_t i = 0; i < kDocuments; ++i) {
    ShardDocument document;
    document.id = "d" + std::to_string(i);
    document.url = "http://h.example/" + std::to_string(i);
    document.host = "h.example";
    document.language = i % 2 ? "en" : "de";
    document.sha256 = sha256_hex(document.id);
    std::vector<int32_t> ids(static_cast<size_t>(i));
    std::iota(ids.begin(), ids.end(), static_cast<int32_t>(i) + 2);
    ASSERT_TRUE(builder.append(document, ids).ok());
  }
  ASSERT_TRUE(builder.finish().ok());
}

RedactOptions options_of(bool compact) {
  RedactOptions options;
  options.compact = compact;
  options.list_sha256 = sha256_hex(std::string_view("list"));
  options.tool = "test";
  return options;
}

std::vector<int32_t> tokens_of(const ShardReader& reader, int64_t document) {
  std::vector<int32_t> ids(static_cast<size_t>(reader.document_length(document)));
  EXPECT_TRUE(reader.read_tokens(reader.document_begin(document), ids).ok());
  return ids;
}

void expect_sound(FileSystem& fs, const std::string& prefix) {
  const auto verdict = verify_shard(fs, prefix, true);
  ASSERT_TRUE(verdict.ok()) << verdict.error().message();
  EXPECT_TRUE(verdict->damage.empty()) << verdict->damage.front();
}

class Redact : public testing::TestWithParam<int64_t> {};  // vocabulary: both token types

TEST_P(Redact, TombstonesKeepTheLayout) {
  MemoryFileSystem fs;
  make_shard(fs, GetParam());
  ASSERT_TRUE(redact_shard(fs, "old/web", "new/web", kGone, options_of(false)).ok());
  expect_sound(fs, "new/web");
  EXPECT_EQ(*read_file(fs, "old/web.idx"), *read_file(fs, "new/web.idx"));
  EXPECT_FALSE(fs.exists("new/web.unfinished"));
  const auto before = ShardReader::open(fs, "old/web"),
             after = ShardReader::open_to_learn(fs, "new/web");
  auto sidecar = SidecarReader::open(fs, "new/web");
  for (int64_t i = 0; i < kDocuments; ++i) {
    const bool gone = std::ranges::find(kGone, i) != kGone.end();
    const auto line = sidecar->read(i);
    EXPECT_EQ(line->redacted, gone) << i;
    EXPECT_EQ(line->sha256, sha256_hex("d" + std::to_string(i)));
    EXPECT_EQ(line->host, "h.example");
    const std::vector<int32_t> buried(static_cast<size_t>(i), kEos);
    EXPECT_EQ(tokens_of(*after, i), gone ? buried : tokens_of(*before, i));
  }
  // Documents begin at i (i - 1) / 2; the third and fourth touch, the empty one leaves no range.
  EXPECT_EQ(after->tombstones(), (Tombstones{{3, 10, kEos}, {136, 153, kEos}, {741, 780, kEos}}));
  const auto manifest = read_manifest(fs, "new/web");
  EXPECT_EQ(manifest->languages.at("en").documents, 20 - 3);
  EXPECT_EQ(manifest->languages.at("de").documents, 20 - 2);
  EXPECT_EQ(manifest->redaction->documents, 5);
  EXPECT_EQ(manifest->redaction->tokens, 3 + 4 + 17 + 39);
  EXPECT_EQ(manifest->documents, kDocuments);
}

TEST_P(Redact, CompactRemovesDocumentsWhole) {
  MemoryFileSystem fs;
  make_shard(fs, GetParam());
  ASSERT_TRUE(redact_shard(fs, "old/web", "new/web", kGone, options_of(true)).ok());
  expect_sound(fs, "new/web");
  const auto before = ShardReader::open(fs, "old/web"), after = ShardReader::open(fs, "new/web");
  ASSERT_EQ(after->documents(), kDocuments - 5);
  auto sidecar = SidecarReader::open(fs, "new/web");
  int64_t kept = 0;
  for (int64_t i = 0; i < kDocuments; ++i) {
    if (std::ranges::find(kGone, i) != kGone.end()) continue;
    EXPECT_EQ(tokens_of(*after, kept), tokens_of(*before, i));
    EXPECT_EQ(sidecar->read(kept)->id, "d" + std::to_string(i));
    ++kept;
  }
}

// From the bytes alone, as a stranger would.
std::string sha256_without(const std::string& bytes, const std::vector<RemovedDocument>& removed,
                           ByteRange RemovedDocument::*which) {
  std::string kept;
  size_t at = 0;
  for (const RemovedDocument& document : removed) {
    const ByteRange& range = document.*which;
    kept += bytes.substr(at, static_cast<size_t>(range.begin) - at);
    at = static_cast<size_t>(range.end);
  }
  return sha256_hex(kept + bytes.substr(at));
}

TEST_P(Redact, TheReceiptIsTrueOfTheBytes) {
  for (const bool compact : {false, true}) {
    MemoryFileSystem fs;
    make_shard(fs, GetParam());
    const RedactOptions options = options_of(compact);
    ASSERT_TRUE(redact_shard(fs, "old/web", "new/web", kGone, options).ok());
    const auto shard = make_receipt(fs, "old/web", "new/web", kGone, options);
    ASSERT_TRUE(shard.ok()) << shard.error().message();
    const std::string before = *read_file(fs, "old/web.bin"), after = *read_file(fs, "new/web.bin");
    EXPECT_EQ(shard->before.bin.sha256, sha256_hex(before));
    EXPECT_EQ(shard->after.bin.sha256, sha256_hex(after));
    EXPECT_EQ(shard->after.manifest.sha256, sha256_hex(*read_file(fs, "new/web.manifest.json")));
    EXPECT_EQ(shard->kept.sha256, sha256_without(before, shard->removed, &RemovedDocument::before));
    EXPECT_EQ(shard->kept.sha256, sha256_without(after, shard->removed, &RemovedDocument::after));
    EXPECT_EQ(shard->after.bin.bytes, static_cast<int64_t>(after.size()));
    EXPECT_NE(shard->before.content_hash, shard->after.content_hash);
    ASSERT_EQ(shard->removed.size(), 5U);
    EXPECT_EQ(shard->removed[3].sha256, parse_sha256(sha256_hex(std::string_view("d17"))));

    Receipt receipt{.tool = "test", .compact = compact};
    if (!compact) receipt.token = kEos;
    receipt.list_sha256 = options.list_sha256;
    receipt.shards = {*shard};
    const auto again = parse_receipt(receipt_text(receipt), "receipt");
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(*again, receipt);
    EXPECT_EQ(receipt_sums(receipt).find(sha256_hex(receipt_text(receipt)) + "  receipt.json\n"),
              0U);
  }
}

TEST_P(Redact, AReceiptIsRefusedToAShardThatDiffersElsewhere) {
  for (const int64_t at : {int64_t{2}, int64_t{140}}) {  // kept; in a tombstone
    MemoryFileSystem fs;
    make_shard(fs, GetParam());
    ASSERT_TRUE(redact_shard(fs, "old/web", "new/web", kGone, options_of(false)).ok());
    std::string bytes = *read_file(fs, "new/web.bin");
    bytes[static_cast<size_t>(at * (GetParam() > 65000 ? 4 : 2))] ^= 1;
    ASSERT_TRUE(fs.remove("new/web.bin").ok());
    auto file = fs.create_exclusive("new/web.bin");
    ASSERT_TRUE((*file)->append(as_bytes(bytes)).ok() && (*file)->close().ok());
    const auto shard = make_receipt(fs, "old/web", "new/web", kGone, options_of(false));
    ASSERT_FALSE(shard.ok());
    EXPECT_EQ(shard.error().kind, ErrorKind::corrupt);
    EXPECT_FALSE(verify_shard(fs, "new/web", true)->damage.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(TokenTypes, Redact, testing::Values(300, 70000));

TEST(Redaction, AddsUpOverSeveralLists) {
  MemoryFileSystem fs;
  make_shard(fs);
  ASSERT_TRUE(
      redact_shard(fs, "old/web", "mid/web", std::vector<int64_t>{5, 20}, options_of(false)).ok());
  RedactOptions second = options_of(false);
  second.token = 9;
  second.forget = true;
  ASSERT_TRUE(redact_shard(fs, "mid/web", "new/web", std::vector<int64_t>{4, 6, 21}, second).ok());
  expect_sound(fs, "new/web");
  EXPECT_EQ(read_manifest(fs, "new/web")->redaction->tombstones,
            (Tombstones{{6, 10, 9}, {10, 15, kEos}, {15, 21, 9}, {190, 210, kEos}, {210, 231, 9}}));
  auto sidecar = SidecarReader::open(fs, "new/web");
  EXPECT_EQ(sidecar->read(4)->id, "");
  EXPECT_EQ(sidecar->read(4)->url, "");
  EXPECT_EQ(sidecar->read(5)->id, "d5") << "forgetting is for the documents of this list";
  EXPECT_EQ(sidecar->hosts().at(""), (std::vector<int64_t>{4, 6, 21}));
  // What is compacted takes the tombstones before it along.
  ASSERT_TRUE(
      redact_shard(fs, "new/web", "small/web", std::vector<int64_t>{1, 10, 22}, options_of(true))
          .ok());
  expect_sound(fs, "small/web");
  EXPECT_EQ(read_manifest(fs, "small/web")->redaction->tombstones,
            (Tombstones{{5, 9, 9}, {9, 14, kEos}, {14, 20, 9}, {179, 199, kEos}, {199, 220, 9}}));
  // Or removes them.
  ASSERT_TRUE(
      redact_shard(fs, "new/web", "a/web", std::vector<int64_t>{5, 6}, options_of(true)).ok());
  expect_sound(fs, "a/web");
  EXPECT_EQ(read_manifest(fs, "a/web")->redaction->tombstones,
            (Tombstones{{6, 10, 9}, {179, 199, kEos}, {199, 220, 9}}));
}

TEST(Redaction, CompactsOneDocumentOutOfAJoinedTombstone) {
  MemoryFileSystem fs;
  make_shard(fs);
  ASSERT_TRUE(redact_shard(fs, "old/web", "new/web", kGone, options_of(false)).ok());
  for (const auto& [document, left] : {std::pair<int64_t, Tombstone>{3, {3, 7, kEos}},
                                       std::pair<int64_t, Tombstone>{4, {3, 6, kEos}}}) {
    RedactOptions options = options_of(true);
    options.force = true;
    const std::vector<int64_t> gone = {2, document, 39};
    ASSERT_TRUE(redact_shard(fs, "new/web", "small/web", gone, options).ok());
    expect_sound(fs, "small/web");
    const int64_t moved = 2 + document;
    EXPECT_EQ(read_manifest(fs, "small/web")->redaction->tombstones,
              (Tombstones{{left.begin - 2, left.end - 2, kEos}, {136 - moved, 153 - moved, kEos}}));
    EXPECT_TRUE(make_receipt(fs, "new/web", "small/web", gone, options).ok());
  }
}

// Overwritten again: out of a joined tombstone of another id, beside a document that was there.
TEST(Redaction, ForgetsWhatWasOverwrittenBefore) {
  MemoryFileSystem fs;
  make_shard(fs);
  RedactOptions options = options_of(false);
  options.token = 9;
  ASSERT_TRUE(redact_shard(fs, "old/web", "new/web", kGone, options).ok());
  options.token = kEos;
  options.forget = true;
  const std::vector<int64_t> gone = {3, 16, 39};
  ASSERT_TRUE(redact_shard(fs, "new/web", "small/web", gone, options).ok());
  expect_sound(fs, "small/web");
  EXPECT_EQ(
      read_manifest(fs, "small/web")->redaction->tombstones,
      (Tombstones{{3, 6, kEos}, {6, 10, 9}, {120, 136, kEos}, {136, 153, 9}, {741, 780, kEos}}));
  auto sidecar = SidecarReader::open(fs, "small/web");
  for (const int64_t document : {3, 4, 16, 17, 39}) {
    const auto line = sidecar->read(document);
    const bool forgotten = std::ranges::find(gone, document) != gone.end();
    EXPECT_TRUE(line->redacted);
    EXPECT_EQ(line->id.empty() && line->url.empty() && line->host.empty(), forgotten) << document;
  }
  EXPECT_EQ(sidecar->hosts().at(""), gone);
  EXPECT_TRUE(make_receipt(fs, "new/web", "small/web", gone, options).ok());
}

TEST(Redaction, DamageOfTheOldShardIsNotPassedOn) {
  for (const char* path : {"old/web.bin", "old/web.docs.jsonl.zst"}) {
    MemoryFileSystem fs;
    make_shard(fs);
    std::string bytes = *read_file(fs, path);
    bytes[bytes.size() / 2] ^= 1;
    ASSERT_TRUE(fs.remove(path).ok());
    auto file = fs.create_exclusive(path);
    ASSERT_TRUE((*file)->append(as_bytes(bytes)).ok() && (*file)->close().ok());
    const auto made = redact_shard(fs, "old/web", "new/web", kGone, options_of(false));
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().kind, ErrorKind::corrupt);
    EXPECT_NE(made.error().message().find(path), std::string::npos);
    EXPECT_TRUE(fs.list("new")->empty());
  }
}

TEST(Redaction, ContentHashesTellEveryRedactionApart) {
  MemoryFileSystem fs;
  make_shard(fs);
  ASSERT_TRUE(
      redact_shard(fs, "old/web", "a/web", std::vector<int64_t>{5}, options_of(false)).ok());
  ASSERT_TRUE(
      redact_shard(fs, "old/web", "b/web", std::vector<int64_t>{6}, options_of(false)).ok());
  EXPECT_NE(*shard_sample_hash(fs, "a/web"), *shard_sample_hash(fs, "old/web"));
  EXPECT_NE(*shard_sample_hash(fs, "a/web"), *shard_sample_hash(fs, "b/web"));
}

// Killed at any write, what has a manifest is whole, and a second start comes to the same bytes.
TEST(Redaction, ADeathAnywhereShowsAWholeShardOrNone) {
  MemoryFileSystem whole;
  make_shard(whole);
  ASSERT_TRUE(redact_shard(whole, "old/web", "new/web", kGone, options_of(false)).ok());
  RedactOptions again = options_of(false);
  again.force = true;
  int64_t steps = 0;
  for (bool finished = false; !finished; ++steps) {
    ASSERT_LT(steps, 500);
    MemoryFileSystem fs;
    make_shard(fs);
    // In the place of another one.
    ASSERT_TRUE(
        redact_shard(fs, "old/web", "new/web", std::vector<int64_t>{7}, options_of(false)).ok());
    FaultyFileSystem faulty(fs, steps + 1);
    finished = redact_shard(faulty, "old/web", "new/web", kGone, again).ok();
    fs.crash();
    if (fs.exists("new/web.manifest.json")) expect_sound(fs, "new/web");
    const auto made = redact_shard(fs, "old/web", "new/web", kGone, again);
    ASSERT_TRUE(made.ok()) << made.error().message() << " after " << steps;
    for (const char* path :
         {"new/web.bin", "new/web.idx", "new/web.docs.jsonl.zst", "new/web.manifest.json"})
      EXPECT_EQ(*read_file(fs, path), *read_file(whole, path)) << path << " after " << steps;
  }
  EXPECT_GT(steps, 10);
}

TEST(Redaction, RefusesWhatItWouldOverwrite) {
  MemoryFileSystem fs;
  make_shard(fs);
  RedactOptions options = options_of(false);
  ASSERT_TRUE(redact_shard(fs, "old/web", "new/web", kGone, options).ok());
  EXPECT_TRUE(*is_redacted(fs, "old/web", "new/web", options));
  options.list_sha256 = sha256_hex(std::string_view("another"));
  EXPECT_FALSE(*is_redacted(fs, "old/web", "new/web", options));
  const auto refused = redact_shard(fs, "old/web", "new/web", std::vector<int64_t>{7}, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  options.force = true;
  EXPECT_TRUE(redact_shard(fs, "old/web", "new/web", std::vector<int64_t>{7}, options).ok());
  options.token = 300;
  EXPECT_EQ(tombstone_token(fs, "old/web", options).error().kind, ErrorKind::usage);
}

TEST(Tombstones, OutOfOrderOrPlaceAreRefused) {
  ShardRedaction record;
  record.tombstones = {{3, 10, 1}, {10, 12, 2}};
  const auto again = parse_redaction(redaction_json(record), 12, "m");
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(*again, record);
  EXPECT_FALSE(parse_redaction(redaction_json(record), 11, "m").ok());
  for (const Tombstones& bad : {Tombstones{{3, 3, 1}}, Tombstones{{-1, 2, 1}},
                                Tombstones{{0, 2, -1}}, Tombstones{{5, 9, 1}, {4, 10, 1}}}) {
    record.tombstones = bad;
    EXPECT_FALSE(parse_redaction(redaction_json(record), 12, "m").ok());
  }
}

TEST(Sha256Hasher, GivesThePublishedVectorsInAnyPieces) {
  Sha256Hasher hash;
  EXPECT_EQ(hash.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash.update(as_bytes("a"));
  hash.update(as_bytes("bc"));
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace ballast
