#include "libcore/stats/line_fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

TEST(FitLine, IsExactOnALine) {
  std::vector<double> x, y;
  for (int i = 0; i < 50; ++i) {
    x.push_back(1e9 + 1e6 * i);
    y.push_back(3 - 2e-8 * (1e6 * i));
  }
  const LineFit fit = fit_line(x, y, 1e9 + 60e6);
  EXPECT_NEAR(fit.value, 3 - 1.2, 1e-12);
  EXPECT_NEAR(fit.slope, -2e-8, 1e-20);
  EXPECT_NEAR(fit.value_error, 0, 1e-12);
}

// Share of 95 % intervals that hold the truth, for residuals that depend on each other.
double coverage(double rho, bool slope) {
  int held = 0;
  constexpr int kRuns = 600;
  for (uint64_t run = 0; run < kRuns; ++run) {
    std::vector<double> x, y;
    double noise = 0;
    for (uint64_t i = 0; i < 200; ++i) {
      noise = rho * noise + random_normal(21, run, i);
      if (i < 50) continue;  // until the noise is stationary
      x.push_back(static_cast<double>(i));
      y.push_back(5 - 0.01 * static_cast<double>(i) + noise);
    }
    const LineFit fit = fit_line(x, y, 200);
    held += slope ? std::abs(fit.slope + 0.01) <= fit.critical * fit.slope_error
                  : std::abs(fit.value - 3) <= fit.critical * fit.value_error;
  }
  return static_cast<double>(held) / kRuns;
}

TEST(FitLine, IntervalsHoldTheTruthThoughResidualsDependOnEachOther) {
  for (const double rho : {0.0, 0.4}) {
    EXPECT_GT(coverage(rho, true), 0.90) << rho;
    EXPECT_GT(coverage(rho, false), 0.88) << rho;
    EXPECT_LT(coverage(rho, true), 0.99) << rho;
  }
}

}  // namespace
}  // namespace ballast
