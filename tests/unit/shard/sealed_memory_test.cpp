// What the shards of a set that are sealed hold while the others are written, by what the whole
// program has allocated. Sanitizers bring allocators that tell nothing: there the limits hold idly.
#include <gtest/gtest.h>
#include <malloc.h>

#include "libcore/base/sha256.h"
#include "libcore/shard/set_builder.h"
#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

int64_t live_bytes() {
  const struct mallinfo2 info = ::mallinfo2();  // of all arenas
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

// Bytes that a sealed shard of so many documents of ten tokens adds to those before it.
int64_t held_by_a_shard(int64_t vocab_size, int documents) {
  const TemporaryDirectory folder;
  ShardManifest manifest;
  manifest.tool = "test";
  manifest.tokenizer_sha256 = std::string(64, 'a');
  manifest.vocab_size = vocab_size;
  manifest.part = "all";
  ShardSetBuilder set(posix_file_system(), folder / "set", manifest, int64_t{10} * documents,
                      false);
  const std::vector<int32_t> tokens(10, 1);
  ShardDocument document;
  document.id = "d";
  document.host = "a.example";
  document.sha256 = sha256_hex("d");
  // Seen one document into a shard, so that the open one is always the same.
  const auto fill = [&] {
    for (int i = 0; i < documents; ++i) EXPECT_TRUE(set.append(document, tokens).ok());
  };
  fill();
  EXPECT_TRUE(set.append(document, tokens).ok());
  const int64_t one = live_bytes();
  fill();
  fill();
  fill();
  const int64_t four = live_bytes();
  return (four - one) / 3;
}

constexpr int64_t kSmall = 64 << 10;  // names, three files, a manifest without counts

TEST(SealedShards, HoldNoCountsOfTheVocabulary) {
  EXPECT_LT(held_by_a_shard(400'000, 2), kSmall);  // the counts are 3.2 MB
}

TEST(SealedShards, HoldNothingOfTheirDocuments) {
  EXPECT_LT(held_by_a_shard(100, 30'000), kSmall);  // lengths 120 KB, hosts 240 KB, buffers 2 MB
}

}  // namespace
}  // namespace ballast
