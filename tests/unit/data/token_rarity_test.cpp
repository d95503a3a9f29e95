#include "libcore/data/token_rarity.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

TEST(TokenRarity, GivesTheSurprisalOfAddOneCounts) {
  const TokenRarity rarity({3, 0, 1});
  EXPECT_DOUBLE_EQ(rarity.bits(0), -std::log2(4.0 / 7));
  EXPECT_DOUBLE_EQ(rarity.bits(1), -std::log2(1.0 / 7));
  EXPECT_DOUBLE_EQ(rarity.bits(99), -std::log2(1.0 / 7));  // outside the vocabulary
  const std::vector<int32_t> ids = {0, 0, 2};
  EXPECT_DOUBLE_EQ(rarity.of(ids).mean_bits(), (2 * rarity.bits(0) + rarity.bits(2)) / 3);
}

TEST(TokenRarity, CountsTheRarestIdsThatMakeOneTokenInAHundred) {
  const TokenRarity rarity({900, 92, 5, 3, 0});  // 1000 tokens: 3 + 5 are rare, 92 is not
  EXPECT_FALSE(rarity.is_rare(0));
  EXPECT_FALSE(rarity.is_rare(1));
  EXPECT_TRUE(rarity.is_rare(2));
  EXPECT_TRUE(rarity.is_rare(3));
  EXPECT_TRUE(rarity.is_rare(4));
  const std::vector<int32_t> ids = {0, 2, 3, 4, 4, 7};
  const Rarity sum = rarity.of(ids);
  EXPECT_EQ(sum.tokens, 6);
  EXPECT_EQ(sum.rare, 5);
  EXPECT_EQ(sum.unseen, 3);
  EXPECT_EQ(rarity.rarest(ids, 3), (std::vector<int32_t>{4, 7, 3}));
}

TEST(TokenRarity, OfNothingSeenEverythingIsNew) {
  const TokenRarity rarity(std::vector<double>(8, 0.0));
  const std::vector<int32_t> ids = {1, 2};
  EXPECT_DOUBLE_EQ(rarity.of(ids).mean_bits(), 3);
  EXPECT_DOUBLE_EQ(rarity.of(ids).unseen_share(), 1);
  EXPECT_DOUBLE_EQ(rarity.of({}).mean_bits(), 0);
}

TEST(TokenRarity, ABatchIsJudgedByWhatStandsBesideIt) {
  const std::vector<double> counts = {5, 2, 1};
  const std::vector<std::vector<int32_t>> batch = {{0, 1}, {1}};
  const TokenRarity others({4, 0, 1}), all(counts);
  for (const size_t i : {size_t{0}, size_t{1}}) {
    EXPECT_DOUBLE_EQ(surprisals(counts, batch, true)[i], others.of(batch[i]).mean_bits());
    EXPECT_DOUBLE_EQ(surprisals(counts, batch, false)[i], all.of(batch[i]).mean_bits());
  }
}

TEST(TokenRarity, SharesTokensOutByTheFrequencyOfTheirIds) {
  const TokenRarity rarity({500, 410, 81, 6, 3, 0});
  const std::vector<double> of_all =
      rarity.shares_by_class(std::vector{500., 410., 81., 6., 3., 0.});
  EXPECT_NEAR(of_all[1], .009, 1e-12);
  EXPECT_NEAR(of_all[2], .081, 1e-12);
  EXPECT_NEAR(of_all[3], .410, 1e-12);
  EXPECT_NEAR(of_all[4], .500, 1e-12);
  EXPECT_EQ(rarity.shares_by_class(std::vector{0., 0., 0., 1., 0., 3.}),
            (std::vector<double>{.75, .25, 0, 0, 0}));
}

}  // namespace
}  // namespace ballast
