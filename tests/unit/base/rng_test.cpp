#include "libcore/base/rng.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

using Block = std::array<uint32_t, 4>;

// Known answers of Philox-4x32-10 from Random123's kat_vectors: counter words 0-1 are our index,
// 2-3 our stream, key words our seed.
TEST(Philox, MatchesTheKnownAnswers) {
  EXPECT_EQ(philox(0, 0, 0), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~0ull, ~0ull, ~0ull), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0'a4093822ull, 0x03707344'13198a2eull, 0x85a308d3'243f6a88ull),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, ElementsAreHalvesOfBlocks) {
  const Block block = philox(7, 8, 9);
  EXPECT_EQ(random_u64(7, 8, 18), uint64_t{block[1]} << 32 | block[0]);
  EXPECT_EQ(random_u64(7, 8, 19), uint64_t{block[3]} << 32 | block[2]);
}

TEST(Random, UniformStaysBelowOneAndFillsTheInterval) {
  double sum = 0, squares = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double x = random_uniform(1, 2, static_cast<uint64_t>(i));
    ASSERT_GE(x, 0);
    ASSERT_LT(x, 1);
    sum += x;
    squares += x * x;
  }
  // Five standard errors: 1/sqrt(12 n) and sqrt(4/45/n).
  EXPECT_NEAR(sum / kCount, 0.5, 5 / std::sqrt(12.0 * kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kCount));
}

TEST(Random, NormalHasTheFirstFourMoments) {
  double moments[5] = {};
  constexpr int kCount = 200000;
  for (int i = 0; i < kCount; ++i) {
    const double x = random_normal(3, 4, static_cast<uint64_t>(i));
    ASSERT_TRUE(std::isfinite(x));
    double power = 1;
    for (double& moment : moments) {
      moment += power;
      power *= x;
    }
  }
  // Five standard errors of E x^k: sqrt((E x^2k - (E x^k)^2) / n).
  EXPECT_NEAR(moments[1] / kCount, 0, 5 / std::sqrt(kCount));
  EXPECT_NEAR(moments[2] / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(moments[3] / kCount, 0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(moments[4] / kCount, 3, 5 * std::sqrt(96.0 / kCount));
}

TEST(Random, SeedStreamAndIndexAllMatter) {
  const uint64_t one = random_u64(1, 1, 1);
  EXPECT_NE(one, random_u64(2, 1, 1));
  EXPECT_NE(one, random_u64(1, 2, 1));
  EXPECT_NE(one, random_u64(1, 1, 2));
  EXPECT_NE(one, random_u64(uint64_t{1} << 32, 1, 1));
  EXPECT_EQ(one, random_u64(1, 1, 1));
}

}  // namespace
}  // namespace ballast
