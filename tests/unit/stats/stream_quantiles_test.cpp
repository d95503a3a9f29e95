#include "libcore/stats/stream_quantiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "libcore/stats/robust.h"

namespace ballast {
namespace {

TEST(StreamQuantiles, AreExactWhileTheValuesAreFew) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  StreamQuantiles quantiles;
  std::vector<double> values;
  EXPECT_TRUE(std::isnan(quantiles.quantile(0.5)));
  for (int i = 0; i < 1001; ++i) {
    values.push_back(normal(random));
    quantiles.add(values.back());
  }
  for (const double p : {0.0, 0.01, 0.5, 0.99, 1.0})
    EXPECT_EQ(quantiles.quantile(p), quantile(values, p));
}

TEST(StreamQuantiles, OfManyValuesAreRightToTheirDigits) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  StreamQuantiles quantiles;
  std::vector<double> values;
  for (size_t i = 0; i < 3 * StreamQuantiles::kExact; ++i) {
    values.push_back(std::exp(3 * normal(random)) * (i % 3 == 0 ? -1 : 1));
    quantiles.add(values.back());
  }
  EXPECT_EQ(quantiles.count(), static_cast<int64_t>(values.size()));
  for (const double p : {0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0}) {
    const double exact = quantile(values, p);
    EXPECT_NEAR(quantiles.quantile(p), exact, std::abs(exact) / 16000);
  }
}

}  // namespace
}  // namespace ballast
