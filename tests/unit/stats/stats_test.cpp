#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "libcore/stats/moments.h"
#include "libcore/stats/robust.h"
#include "libcore/stats/window.h"

namespace ballast {
namespace {

std::vector<double> wave(int count) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(std::sin(i * 0.7) + 0.01 * (i % 13));
  return values;
}

TEST(RunningMoments, MatchTheTwoPassFormulasAndMergeToTheWhole) {
  const std::vector<double> values = wave(1000);
  RunningMoments all, left, right;
  for (size_t i = 0; i < values.size(); ++i) {
    all.add(values[i]);
    (i < 137 ? left : right).add(values[i]);
  }
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / 1000;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  EXPECT_NEAR(all.mean(), mean, 1e-14);
  EXPECT_NEAR(all.variance(), squares / 1000, 1e-13);
  EXPECT_NEAR(all.sample_variance(), squares / 999, 1e-13);
  left.merge(right);
  EXPECT_EQ(left.count(), 1000);
  EXPECT_NEAR(left.mean(), mean, 1e-14);
  EXPECT_NEAR(left.variance(), squares / 1000, 1e-13);
  EXPECT_EQ(left.maximum(), all.maximum());
  EXPECT_EQ(left.minimum(), all.minimum());
}

TEST(RunningMoments, CountNonFiniteValuesApart) {
  RunningMoments moments;
  EXPECT_TRUE(std::isnan(moments.mean()));
  moments.add(NAN);
  moments.add(INFINITY);
  moments.add(2);
  EXPECT_EQ(moments.nonfinite(), 2);
  EXPECT_EQ(moments.count(), 1);
  EXPECT_EQ(moments.mean(), 2);
}

TEST(RollingWindow, HoldsTheLastValuesInOrder) {
  RollingWindow window(3);
  for (const double value : {1.0, 2.0, 3.0, 4.0, 5.0}) window.push(value);
  EXPECT_EQ(window.values(), std::vector<double>({3, 4, 5}));
  EXPECT_DOUBLE_EQ(window.moments().mean, 4);
  EXPECT_DOUBLE_EQ(window.moments().variance, 2.0 / 3);
  window.clear();
  window.push(7);
  EXPECT_EQ(window.values(), std::vector<double>({7}));
}

TEST(RollingWindow, GivesTheSameBitsAfterARestart) {
  RollingWindow window(50);
  for (const double value : wave(173)) window.push(value);
  RollingWindow restored(50);
  for (const double value : window.values()) restored.push(value);
  EXPECT_EQ(window.moments().mean, restored.moments().mean);
  EXPECT_EQ(window.moments().variance, restored.moments().variance);
}

TEST(Quantile, InterpolatesBetweenOrderStatistics) {
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 1), 4);
  EXPECT_DOUBLE_EQ(quantile({10, 20}, 0.1), 11);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}

TEST(RobustLevel, IgnoresOneWildValue) {
  const RobustLevel level = robust_level({1, 2, 3, 4, 1000});
  EXPECT_EQ(level.center, 3);
  EXPECT_DOUBLE_EQ(level.scale, 1.4826);
}

TEST(SortedWindow, AgreesWithTheDirectFormulasAtEveryStep) {
  SortedWindow window(17);
  std::vector<double> values = wave(200);
  for (size_t i = 40; i < 60; ++i) values[i] = 1;  // ties
  for (size_t i = 0; i < values.size(); ++i) {
    window.push(values[i]);
    const size_t begin = i + 1 > 17 ? i + 1 - 17 : 0;
    const std::vector<double> last(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                   values.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    const RobustLevel expected = robust_level(last);
    const RobustLevel found = window.level();
    ASSERT_EQ(found.center, expected.center) << i;
    ASSERT_NEAR(found.scale, expected.scale, 1e-15) << i;
  }
}

TEST(TheilSen, IsExactOnALineWithOutliers) {
  std::vector<double> x, y;
  for (int i = 0; i < 2000; ++i) {
    x.push_back(i);
    y.push_back(3 + 0.25 * i + (i % 10 == 0 ? 500 : 0));
  }
  EXPECT_NEAR(theil_sen_slope(x, y), 0.25, 1e-3);
  EXPECT_TRUE(std::isnan(theil_sen_slope({}, {})));
}

TEST(Autocorrelation, SeesPeriodAndConstants) {
  std::vector<double> alternating;
  for (int i = 0; i < 1000; ++i) alternating.push_back(i % 2);
  EXPECT_NEAR(autocorrelation(alternating, 1), -1, 2e-3);
  EXPECT_NEAR(autocorrelation(alternating, 2), 1, 3e-3);
  EXPECT_EQ(autocorrelation(std::vector<double>(10, 3.0), 1), 0);
  EXPECT_TRUE(std::isnan(autocorrelation(alternating, 1000)));
}

}  // namespace
}  // namespace ballast
