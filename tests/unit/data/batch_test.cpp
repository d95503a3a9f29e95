#include "libcore/data/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "libcore/io/memory_file_system.h"
#include "libcore/shard/builder.h"
#include "libcore/shard/redact.h"

namespace ballast {
namespace {

constexpr int64_t kLength = 8;
constexpr int64_t kDocuments = 12;

// Document i has i + 1 tokens of its own.
void make_shard(FileSystem& fs) {
  ShardManifest manifest;
  manifest.vocab_size = 200;
  manifest.eos = 1;
  manifest.part = "all";
  ShardBuilder builder(fs, "old", manifest, false);
  int32_t next = 2;
  for (int64_t i = 0; i < kDocuments; ++i) {
    std::vector<int32_t> ids(static_cast<size_t>(i) + 1);
    std::iota(ids.begin(), ids.end(), next);
    next += static_cast<int32_t>(ids.size());
    ShardDocument document;
    document.sha256 = std::string(64, '0');
    ASSERT_TRUE(builder.append(std::move(document), ids).ok());
  }
  ASSERT_TRUE(builder.finish().ok());
}

std::shared_ptr<const ShardReader> open(FileSystem& fs, const std::string& prefix) {
  auto shard = ShardReader::open_to_learn(fs, prefix);
  EXPECT_TRUE(shard.ok()) << shard.error().message();
  return std::make_shared<const ShardReader>(shard.take_value());
}

TEST(WindowReader, LearnsNothingFromTombstonesAndEverythingElseAsBefore) {
  for (const std::vector<int64_t>& gone :
       {std::vector<int64_t>{0}, {3, 4}, {7}, {1, 9, 11}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}) {
    MemoryFileSystem fs;
    make_shard(fs);
    RedactOptions options;
    options.list_sha256 = std::string(64, '0');
    ASSERT_TRUE(redact_shard(fs, "old", "new", gone, options).ok());
    const auto before = open(fs, "old"), after = open(fs, "new");
    const WindowReader whole(before, kLength, 200), redacted(after, kLength, 200);
    ASSERT_EQ(redacted.windows(), whole.windows());
    const auto in_tombstone = [&](int64_t token) {
      return std::ranges::find(gone, before->document_of(token)) != gone.end();
    };
    for (int64_t w = 0; w < whole.windows(); ++w) {
      HostBatch want, got;
      want.resize(1, kLength);
      got.resize(1, kLength);
      ASSERT_TRUE(whole.read(w, want, 0).ok());
      ASSERT_TRUE(redacted.read(w, got, 0).ok());
      EXPECT_EQ(got.doc_start, want.doc_start);
      int64_t valid = 0;
      for (int64_t t = 0; t < kLength; ++t) {
        const auto i = static_cast<size_t>(t);
        const int64_t token = w * kLength + t;
        EXPECT_EQ(got.tokens[i], in_tombstone(token) ? 1 : want.tokens[i]) << token;
        EXPECT_EQ(got.labels[i], in_tombstone(token + 1) ? kMaskedLabel : want.labels[i]) << token;
        valid += got.labels[i] == kMaskedLabel ? 0 : 1;
      }
      EXPECT_EQ(got.valid, valid);
    }
  }
}

}  // namespace
}  // namespace ballast
