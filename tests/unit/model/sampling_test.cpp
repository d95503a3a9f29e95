#include "libcore/model/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ballast {
namespace {

const std::vector<float> kLogits = {0.0f, 2.0f, 1.0f, 2.0f};

// Shares of the ids over an even grid of draws.
std::vector<double> shares(const SamplingOptions& options) {
  constexpr int kDraws = 10000;
  std::vector<double> found(kLogits.size());
  for (int i = 0; i < kDraws; ++i)
    found[static_cast<size_t>(pick_token(kLogits, options, (i + 0.5) / kDraws))] += 1.0 / kDraws;
  return found;
}

TEST(PickToken, WithoutTemperatureTakesTheLargestAndTheSmallerIdOfEquals) {
  EXPECT_EQ(pick_token(kLogits, {}, 0.99), 1);
}

TEST(PickToken, DrawsFromTheSoftmax) {
  const double total = 1 + 2 * std::exp(2.0) + std::exp(1.0);
  const std::vector<double> found = shares({.temperature = 1});
  EXPECT_NEAR(found[0], 1 / total, 2e-4);
  EXPECT_NEAR(found[1], std::exp(2.0) / total, 2e-4);
  EXPECT_NEAR(found[2], std::exp(1.0) / total, 2e-4);
  const std::vector<double> hot = shares({.temperature = 2});
  EXPECT_NEAR(hot[1] / hot[0], std::exp(1.0), 2e-2);
}

TEST(PickToken, TopKAndTopPLeaveOutTheUnlikely) {
  const std::vector<double> two = shares({.temperature = 1, .top_k = 2});
  EXPECT_NEAR(two[1], 0.5, 1e-4);
  EXPECT_NEAR(two[3], 0.5, 1e-4);
  // The two likeliest hold 0.80 of the mass.
  const std::vector<double> most = shares({.temperature = 1, .top_p = 0.7});
  EXPECT_EQ(most[0] + most[2], 0);
  const std::vector<double> one = shares({.temperature = 1, .top_p = 0});
  EXPECT_NEAR(one[1], 1, 1e-12);
}

TEST(PickToken, NeverTakesANonFiniteLogit) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(pick_token(std::vector<float>{nan, inf, -3.0f, -inf}, {.temperature = 1}, 0.9), 2);
  EXPECT_EQ(pick_token(std::vector<float>{nan, inf}, {}, 0), -1);
}

}  // namespace
}  // namespace ballast
