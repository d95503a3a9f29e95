#include "libcore/guard/token_evidence.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

std::vector<BatchSurprisal> quiet(int64_t batches) {
  std::vector<BatchSurprisal> all;
  for (int64_t i = 0; i < batches; ++i)
    all.push_back({i, i % 2 == 0 ? 6.9 : 7.1, i % 2 == 0 ? 7.8 : 8.2});
  return all;
}

TEST(TokenEvidence, ComparesTheBatchThatStandsOutMost) {
  const TokenEvidence seen =
      token_evidence({{50, 7.0, 8.0}, {51, 8.0, 13.0}, {52, 7.1, 8.1}}, quiet(50));
  EXPECT_EQ(seen.batches, 50);
  EXPECT_EQ(seen.mean.step, 51);
  EXPECT_NEAR(seen.mean.usual, 7, 1e-12);
  EXPECT_NEAR(seen.mean.z, 1 / (1.4826 * 0.1), 1e-9);
  EXPECT_EQ(seen.highest.step, 51);
  EXPECT_NEAR(seen.highest.z, 5 / (1.4826 * 0.2), 1e-9);
}

TEST(TokenEvidence, IsNotGivenByAFewBatches) {
  EXPECT_FALSE(token_evidence({{50, 9, 9}}, quiet(19)).known());
  EXPECT_TRUE(token_evidence({{50, 9, 9}}, quiet(20)).known());
  EXPECT_FALSE(token_evidence({}, quiet(20)).known());
}

TEST(TokenEvidence, BatchesThatAreAllAlikeHaveAScale) {
  const std::vector<BatchSurprisal> same(30, BatchSurprisal{1, 8, 8});
  EXPECT_NEAR(token_evidence({{50, 8.08, 8}}, same).mean.z, 10, 1e-9);
}

}  // namespace
}  // namespace ballast
