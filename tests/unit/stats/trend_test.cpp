#include "libcore/stats/trend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

TEST(KendallTrend, CountsPairsAndCorrectsForTies) {
  const std::vector<double> rising = {1, 2, 3, 4, 5};
  EXPECT_EQ(kendall_trend(rising).score, 10);
  EXPECT_NEAR(kendall_trend(rising).variance, 5.0 * 4 * 15 / 18, 1e-12);
  // 2 and 2 tie: one pair counts nothing and one group of two leaves the variance.
  const std::vector<double> tied = {1, 2, 2, 4};
  EXPECT_EQ(kendall_trend(tied).score, 5);
  EXPECT_NEAR(kendall_trend(tied).variance, (4.0 * 3 * 13 - 2.0 * 1 * 9) / 18, 1e-12);
  EXPECT_EQ(kendall_trend(std::vector<double>{3, 3, 3}).z(), 0);
  EXPECT_NEAR(kendall_trend(rising).z(), 9 / std::sqrt(300.0 / 18), 1e-12);
}

TEST(SerialInflation, IsOneForIndependentAndLargeForDependentValues) {
  std::vector<double> white, ar;
  double last = 0;
  for (uint64_t i = 0; i < 4000; ++i) {
    white.push_back(random_normal(1, 1, i));
    last = 0.6 * last + random_normal(1, 2, i);
    ar.push_back(last);
  }
  EXPECT_NEAR(serial_inflation(white), 1, 0.1);
  EXPECT_NEAR(serial_inflation(ar), 4, 0.5);  // (1 + 0.6) / (1 - 0.6)
}

TEST(TheilSenInterval, CoversTheTrueSlopeAsOftenAsItSays) {
  int covered = 0;
  for (uint64_t run = 0; run < 400; ++run) {
    std::vector<double> x, y;
    for (uint64_t i = 0; i < 40; ++i) {
      x.push_back(static_cast<double>(i));
      y.push_back(0.3 * static_cast<double>(i) + random_normal(3, run, i));
    }
    const SlopeInterval slope = theil_sen_interval(x, y, 1, 1.959963984540054);
    EXPECT_LE(slope.low, slope.slope);
    EXPECT_GE(slope.high, slope.slope);
    covered += slope.low <= 0.3 && 0.3 <= slope.high;
  }
  // 95 % of 400, three standard deviations either way.
  EXPECT_NEAR(covered, 380, 3 * std::sqrt(400 * 0.95 * 0.05));
}

TEST(TheilSenInterval, OneOutlierDoesNotMoveIt) {
  std::vector<double> x, y;
  for (int i = 0; i < 21; ++i) {
    x.push_back(i);
    y.push_back(2 * i);
  }
  y[10] = 1e6;
  EXPECT_EQ(theil_sen_interval(x, y, 1, 1.96).slope, 2);
}

TEST(BestStep, FindsTheJumpThatExplainsMost) {
  const std::vector<double> values = {1, 1, 1, 1, 5, 5, 5};
  const StepFit fit = best_step(values);
  EXPECT_EQ(fit.at, 4);
  EXPECT_EQ(fit.before, 1);
  EXPECT_EQ(fit.after, 5);
}

TEST(BestHinge, FindsTheBendAndBothSlopes) {
  std::vector<double> x, y;
  for (int i = 0; i < 30; ++i) {
    x.push_back(0.5 * i);
    y.push_back(7 - 0.2 * std::min(0.5 * i - 6, 0.0) + 0.9 * std::max(0.5 * i - 6, 0.0));
  }
  const HingeFit fit = best_hinge(x, y);
  EXPECT_EQ(fit.knot, 12);
  EXPECT_NEAR(fit.at_knot, 7, 1e-12);
  EXPECT_NEAR(fit.before, -0.2, 1e-12);
  EXPECT_NEAR(fit.after, 0.9, 1e-12);
}

}  // namespace
}  // namespace ballast
