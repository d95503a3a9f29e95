#include "libcore/stats/log_histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ballast {
namespace {

TEST(LogHistogram, QuantilesAreRightToHalfAPercent) {
  LogHistogram histogram;
  for (int i = 1; i <= 10000; ++i) histogram.add(1e-3 * i);
  for (const double q : {0.01, 0.25, 0.5, 0.9, 0.999}) {
    const double exact = 1e-3 * (1 + std::floor(q * 9999));
    EXPECT_NEAR(histogram.quantile(q) / exact, 1, 0.00499) << q;  // sqrt(1.01) - 1
  }
  EXPECT_EQ(histogram.quantile(1), 10.0);
}

TEST(LogHistogram, OneValueIsItsOwnQuantile) {
  LogHistogram histogram;
  histogram.add(0.37);
  EXPECT_EQ(histogram.quantile(0), 0.37);
  EXPECT_EQ(histogram.quantile(1), 0.37);
}

TEST(LogHistogram, TakesTheWholeRangeOfDoubles) {
  LogHistogram histogram;
  histogram.add(std::numeric_limits<double>::denorm_min());
  histogram.add(std::numeric_limits<double>::max());
  EXPECT_EQ(histogram.quantile(1), std::numeric_limits<double>::max());
  EXPECT_EQ(histogram.count(), 2);
}

TEST(LogHistogram, WhatHasNoLogarithmIsLeftOut) {
  LogHistogram histogram;
  histogram.add(0);
  histogram.add(-1);
  histogram.add(std::nan(""));
  histogram.add(INFINITY);
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_TRUE(std::isnan(histogram.quantile(0.5)));
}

}  // namespace
}  // namespace ballast
