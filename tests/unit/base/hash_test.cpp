#include "libcore/base/hash.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

// The sanity buffer of the xxHash test suite: bytes of a linear generator.
std::string sanity_buffer(size_t bytes) {
  std::string data(bytes, '\0');
  uint64_t generator = 2654435761u;
  for (char& byte : data) {
    byte = static_cast<char>(generator >> 56);
    generator *= 11400714785074694797ull;
  }
  return data;
}

// Known answers as `xxhsum -H3` and `xxhsum -H2` print them.
TEST(Xxh3, MatchesKnownAnswers) {
  EXPECT_EQ(xxh3_64(""), 0x2D06800538D394C2u);
  EXPECT_EQ(xxh3_64("a"), 0xE6C632B61E964E1Fu);
  EXPECT_EQ(xxh3_64("abc"), 0x78AF5F94892F3950u);
  EXPECT_EQ(xxh3_128(as_bytes("")).hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(xxh3_128(as_bytes("abc")).hex(), "06b05ab6733a618578af5f94892f3950");
}

TEST(Xxh3, SeedAndContentMatter) {
  EXPECT_NE(xxh3_64("abc", 1), xxh3_64("abc", 2));
  EXPECT_NE(xxh3_64("abc"), xxh3_64("abd"));
}

TEST(Xxh3, StreamingEqualsAtOnceForEverySplit) {
  const std::string data = sanity_buffer(2500);
  const Hash128 whole = xxh3_128(as_bytes(data));
  for (const size_t piece : {1, 7, 64, 239, 240, 241, 1024, 2500}) {
    Xxh3Hasher hasher;
    for (size_t i = 0; i < data.size(); i += piece)
      hasher.update(as_bytes(data).subspan(i, std::min(piece, data.size() - i)));
    EXPECT_EQ(hasher.digest(), whole) << piece;
  }
}

TEST(Xxh3, DigestDoesNotEndTheStream) {
  Xxh3Hasher hasher;
  hasher.update(as_bytes("ab"));
  EXPECT_EQ(hasher.digest(), xxh3_128(as_bytes("ab")));
  hasher.update(as_bytes("c"));
  EXPECT_EQ(hasher.digest(), xxh3_128(as_bytes("abc")));
}

// FIPS 180-4 examples.
TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256_hex(std::string_view("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

}  // namespace
}  // namespace ballast
