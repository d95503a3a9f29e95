#include "libcore/stats/curve.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

TEST(Interpolated, GoesThroughThePointsAndStopsAtTheEnds) {
  const std::vector<double> x = {1, 2, 4}, y = {10, 20, 0};
  EXPECT_EQ(interpolated(x, y, 2), 20);
  EXPECT_EQ(interpolated(x, y, 1.5), 15);
  EXPECT_EQ(interpolated(x, y, 3), 10);
  EXPECT_EQ(interpolated(x, y, 4), 0);
  EXPECT_TRUE(std::isnan(interpolated(x, y, 0.9)));
  EXPECT_TRUE(std::isnan(interpolated(x, y, 4.1)));
}

TEST(RunningMedian, StaysCentredAtTheEnds) {
  const std::vector<double> values = {1, 9, 2, 8, 3};
  EXPECT_EQ(running_median(values, 3), (std::vector<double>{1, 2, 8, 3, 3}));
  EXPECT_EQ(running_median(values, 5), (std::vector<double>{1, 2, 3, 3, 3}));
  EXPECT_EQ(running_median(values, 1), values);
}

TEST(FirstAtOrBelow, IsWhereTheCurveCrosses) {
  const std::vector<double> x = {0, 10, 20, 30}, y = {4, 2, 3, 1};
  EXPECT_EQ(first_at_or_below(x, y, 3), 5);
  EXPECT_EQ(first_at_or_below(x, y, 2), 10);
  EXPECT_EQ(first_at_or_below(x, y, 1.5), 27.5);
  EXPECT_EQ(first_at_or_below(x, y, 5), 0);
  EXPECT_TRUE(std::isnan(first_at_or_below(x, y, 0.5)));
}

// A line in log x is foretold exactly; a falling power lies above what is foretold, by ever less.
TEST(Foretold, ContinuesTheLineInLogX) {
  std::vector<double> x, line, power;
  for (int i = 0; i < 1000; ++i) {
    x.push_back(1000.0 * i);  // the first is not positive
    line.push_back(i == 0 ? 9 : 5 - 0.3 * std::log(x.back()));
    power.push_back(i == 0 ? 9 : 2 + 8 * std::pow(x.back(), -0.3));
  }
  const std::vector<double> a = foretold(x, line, 8), b = foretold(x, power, 8);
  EXPECT_TRUE(std::isnan(a[0]));
  EXPECT_TRUE(std::isnan(a[20]));
  double last = INFINITY;
  for (size_t i = 40; i < x.size(); ++i) {
    EXPECT_NEAR(a[i], line[i], 1e-10);
    EXPECT_GT(power[i], b[i]);
    if (i % 64 != 0) continue;
    EXPECT_LT(power[i] - b[i], last);
    last = power[i] - b[i];
  }
}

}  // namespace
}  // namespace ballast
