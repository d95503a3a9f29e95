#include "libcore/dedup/minhash.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libcore/base/rng.h"
#include "libcore/dedup/simplify.h"
#include "libcore/io/file_system.h"
#include "libcore/io/json.h"

namespace ballast {
namespace {

const MinHashPreset& datatrove() { return *find_minhash_preset("datatrove"); }

Json golden() {
  const std::string path = BALLAST_SOURCE_DIR "/tests/golden/dedup/minhash.json";
  return *parse_json(*read_file(posix_file_system(), path), path);
}

std::vector<std::string> as_strings(std::span<const uint64_t> numbers) {
  std::vector<std::string> strings;
  for (const uint64_t number : numbers) strings.push_back(std::to_string(number));
  return strings;
}

TEST(SimplifyText, AgreesWithDatatrove) {
  const Json expected = golden();
  ASSERT_GT(expected["simplified"].size(), 200u);
  std::string simple;
  for (const Json& pair : expected["simplified"]) {
    simplify_text(pair[0].get<std::string>(), simple);
    EXPECT_EQ(simple, pair[1].get<std::string>()) << pair[0];
  }
}

TEST(MinHash, DrawsTheParametersOfDatatrove) {
  const Json expected = golden();
  const MinHasher hasher(datatrove());
  EXPECT_EQ(as_strings(hasher.factors()), expected["a"].get<std::vector<std::string>>());
  EXPECT_EQ(as_strings(hasher.summands()), expected["b"].get<std::vector<std::string>>());
}

TEST(MinHash, SignsTextsAsDatatroveDoes) {
  MinHasher hasher(datatrove());
  const Json expected = golden();
  int64_t signed_texts = 0;
  for (const Json& one : expected["signed"]) {
    const auto shingles = hasher.shingles(one["text"].get<std::string>());
    ASSERT_EQ(shingles.size(), one["shingles"].get<size_t>());
    if (shingles.empty()) continue;
    std::vector<uint64_t> signature;
    hasher.sign(shingles, signature);
    EXPECT_EQ(as_strings(signature), one["signature"].get<std::vector<std::string>>());
    ++signed_texts;
  }
  EXPECT_GE(signed_texts, 4);
}

TEST(MinHash, CharacterShinglesCountCodePoints) {
  MinHasher hasher(*find_minhash_preset("curator"));
  const std::string umlauts = "\xC3\xA4\xC3\xB6\xC3\xBC";
  std::string text;
  for (int i = 0; i < 9; ++i) text += umlauts;  // 27 characters that repeat every 3
  const auto shingles = hasher.shingles(text);
  ASSERT_EQ(shingles.size(), 4u);
  EXPECT_EQ(shingles[0], shingles[3]);
  EXPECT_NE(shingles[0], shingles[1]);
  EXPECT_EQ(hasher.shingles("short").size(), 1u);
  EXPECT_TRUE(hasher.shingles("").empty());
  EXPECT_EQ(find_minhash_preset("other"), nullptr);
}

TEST(MinHash, BandKeysAreZeroWithoutShingles) {
  MinHasher hasher(datatrove());
  std::vector<Hash128> keys(14, Hash128{1, 1}), other(14);
  hasher.band_keys("four words, no more", keys);
  EXPECT_EQ(keys, std::vector<Hash128>(14));
  hasher.band_keys("Five words, one more: 12.5!", keys);
  hasher.band_keys("five WORDS one m\xC3\xB3re 7", other);
  EXPECT_EQ(keys, other);
  EXPECT_NE(keys[0], Hash128{});
  EXPECT_NE(keys[0], keys[1]);
}

// Two sets of 400 shingles in all, of which `common` are shared: similarity common / 400.
struct Pair {
  std::vector<uint64_t> left, right;
};
constexpr int kUnion = 400;
Pair make_pair(int common, uint64_t number) {
  Pair pair;
  for (int i = 0; i < kUnion; ++i) {
    const uint64_t x = random_u64(11, number, static_cast<uint64_t>(i));
    if (i < common || i % 2 == 0) pair.left.push_back(x);
    if (i < common || i % 2 == 1) pair.right.push_back(x);
  }
  return pair;
}

struct Agreement {
  int64_t hashes = 0, candidates = 0;
};
Agreement compare(const MinHashPreset& preset, int common, int pairs) {
  const MinHasher hasher(preset);
  std::vector<uint64_t> left, right;
  Agreement sum;
  const auto rows = static_cast<size_t>(preset.rows);
  for (int n = 0; n < pairs; ++n) {
    const Pair pair = make_pair(common, static_cast<uint64_t>(n));
    hasher.sign(pair.left, left);
    hasher.sign(pair.right, right);
    bool candidate = false;
    for (size_t band = 0; band * rows < left.size(); ++band) {
      size_t equal = 0;
      for (size_t j = band * rows; j < (band + 1) * rows; ++j) equal += left[j] == right[j];
      sum.hashes += static_cast<int64_t>(equal);
      candidate = candidate || equal == rows;
    }
    sum.candidates += candidate ? 1 : 0;
  }
  return sum;
}

// Counts of `trials` independent events of chance p lie within five deviations of their mean.
void expect_binomial(int64_t count, double trials, double p, const char* what, double s) {
  const double mean = trials * p, deviation = std::sqrt(trials * p * (1 - p));
  EXPECT_NEAR(static_cast<double>(count), mean, 5 * deviation) << what << " at " << s;
}

TEST(MinHash, SharesOfEqualHashesEstimateTheJaccardSimilarity) {
  constexpr int kPairs = 60;
  for (const int common : {0, 100, 200, 320, 380}) {
    const double s = static_cast<double>(common) / kUnion;
    const Agreement found = compare(datatrove(), common, kPairs);
    expect_binomial(found.hashes, kPairs * datatrove().hashes(), s, "equal hashes", s);
  }
}

TEST(MinHash, PairsBecomeCandidatesAlongTheSCurve) {
  EXPECT_NEAR(candidate_chance(datatrove(), 0.8), 0.924, 0.0005);
  constexpr int kPairs = 400;
  for (const MinHashPreset& preset : minhash_presets()) {
    for (const int common : {240, 280, 300, 320, 340}) {
      const double s = static_cast<double>(common) / kUnion;
      const Agreement found = compare(preset, common, kPairs);
      expect_binomial(found.candidates, kPairs, candidate_chance(preset, s), preset.name, s);
    }
  }
}

}  // namespace
}  // namespace ballast
