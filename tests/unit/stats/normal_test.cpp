#include "libcore/stats/normal.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

TEST(Normal, CdfAndQuantileMatchTables) {
  EXPECT_NEAR(normal_cdf(0), 0.5, 1e-16);
  EXPECT_NEAR(normal_cdf(1.959963984540054), 0.975, 1e-15);
  EXPECT_NEAR(normal_upper(6) / 9.865876450376981e-10, 1, 1e-13);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-14);
  EXPECT_NEAR(normal_quantile(0.75), 0.6744897501960817, 1e-14);
  EXPECT_NEAR(normal_quantile(1e-10), -6.361340902404056, 1e-13);
  EXPECT_EQ(normal_quantile(0.5), 0);
}

TEST(Normal, QuantileUndoesTheCdfOverTheWholeRange) {
  for (double x = -37; x <= 0; x += 0.37)
    EXPECT_NEAR(normal_quantile(normal_cdf(x)), x, 1e-12 * (1 + std::abs(x))) << x;
  for (const double p : {1e-300, 1e-20, 1e-3, 0.2, 0.49})
    EXPECT_NEAR(normal_cdf(normal_quantile(p)) / p, 1, 1e-10) << p;
}

TEST(Normal, LogCdfGoesOnWhereTheCdfUnderflows) {
  EXPECT_NEAR(log_normal_cdf(-40), -804.6084420137538, 1e-9);
  EXPECT_NEAR(log_normal_cdf(-1000), -500007.8266948125, 1e-6);
  EXPECT_NEAR(log_normal_cdf(8), -6.220960574271786e-16, 1e-28);
  // Both formulas agree where they meet.
  EXPECT_NEAR(log_normal_cdf(-30 - 1e-9), log_normal_cdf(-30 + 1e-9), 1e-6);
}

TEST(Normal, ImpossibleProbabilitiesAreNaN) {
  EXPECT_TRUE(std::isnan(normal_quantile(-0.1)));
  EXPECT_TRUE(std::isnan(normal_quantile(1.1)));
  EXPECT_TRUE(std::isnan(normal_quantile(NAN)));
  EXPECT_TRUE(std::isinf(normal_quantile(0)));
}

}  // namespace
}  // namespace ballast
