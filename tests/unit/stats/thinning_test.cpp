#include "libcore/stats/thinning.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

std::vector<double> autoregressive(double rho, int64_t n) {
  std::vector<double> values;
  double last = 0;
  for (int64_t i = 0; i < n; ++i) {
    last = rho * last + random_normal(5, 1, static_cast<uint64_t>(i));
    values.push_back(last);
  }
  return values;
}

TEST(Thinned, LeavesIndependentValuesAlone) {
  const Thinning thinning = thinned(autoregressive(0, 1000));
  EXPECT_EQ(thinning.every, 1);
  EXPECT_EQ(thinning.values.size(), 1000u);
}

TEST(Thinned, TakesTheSmallestLagBelowTheLimit) {
  // 0.8^k < 0.2 from k = 8 on (0.168), give or take what chance adds at 4000 values.
  const Thinning thinning = thinned(autoregressive(0.8, 4000));
  EXPECT_NEAR(thinning.correlation, 0.8, 0.05);
  EXPECT_NEAR(static_cast<double>(thinning.every), 8, 1);
  EXPECT_LT(thinning.left, 0.3);
  EXPECT_EQ(thinning.values.size(), (4000u + thinning.every - 1) / thinning.every);
}

TEST(Thinned, SaysWhenNoLagWillDo) {
  std::vector<double> ramp;
  for (int i = 0; i < 100; ++i) ramp.push_back(i);
  EXPECT_EQ(thinned(ramp).every, 0);
  EXPECT_TRUE(thinned(ramp).values.empty());
  const Thinning given = thinned(ramp, 50);
  EXPECT_EQ(given.every, 50);
  EXPECT_EQ(given.values, (std::vector<double>{0, 50}));
}

}  // namespace
}  // namespace ballast
