#include "libcore/stats/ratio.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

TEST(ClusteredMean, WeighsClustersByTheirItems) {
  ClusteredMean mean;
  mean.add(10, 4);
  mean.add(0, 0);
  mean.add(2, 1);
  EXPECT_DOUBLE_EQ(mean.mean(), 12.0 / 5);
  EXPECT_DOUBLE_EQ(mean.items(), 5);
  // Residuals 10 - 9.6 and 2 - 2.4; squares 0.32, times n / (n - 1) = 2, over 5 items.
  EXPECT_NEAR(mean.standard_error(), std::sqrt(0.64) / 5, 1e-15);
}

TEST(ClusteredMean, EqualClustersAreAnOrdinaryMean) {
  ClusteredMean mean;
  for (const double value : {1.0, 2.0, 4.0, 9.0}) mean.add(value, 1);
  EXPECT_DOUBLE_EQ(mean.mean(), 4);
  EXPECT_NEAR(mean.standard_error(), std::sqrt((9 + 4 + 0 + 25) / 3.0 / 4), 1e-15);
}

TEST(ClusteredMean, SaysWhenThereIsTooLittle) {
  ClusteredMean mean;
  EXPECT_TRUE(std::isnan(mean.mean()));
  mean.add(3, 2);
  EXPECT_DOUBLE_EQ(mean.mean(), 1.5);
  EXPECT_TRUE(std::isnan(mean.standard_error()));
}

TEST(WilsonInterval, StaysInsideTheUnitInterval) {
  const Interval half = wilson_interval(50, 100);
  EXPECT_NEAR(half.low, 0.4038315, 1e-6);  // R: prop.test(50, 100, correct = FALSE)
  EXPECT_NEAR(half.high, 0.5961685, 1e-6);
  const Interval none = wilson_interval(0, 10);
  EXPECT_NEAR(none.low, 0, 1e-15);
  EXPECT_NEAR(none.high, 0.2775328, 1e-6);
}

}  // namespace
}  // namespace ballast
