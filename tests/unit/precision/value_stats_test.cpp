#include "libcore/precision/value_stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "libcore/base/rng.h"
#include "libcore/precision/half.h"

namespace ballast {
namespace {

TEST(ValueStats, CountsWhatACastWouldHide) {
  const float inf = std::numeric_limits<float>::infinity();
  ValueStats stats;
  stats.add(std::vector<float>{0.0f, -0.0f, 3.0f, -4.0f, inf, -inf, std::nanf(""), 0x1p-140f});
  EXPECT_EQ(stats.n, 8);
  EXPECT_EQ(stats.n_zero, 2);
  EXPECT_EQ(stats.n_inf, 2);
  EXPECT_EQ(stats.n_nan, 1);
  EXPECT_EQ(stats.n_finite(), 5);
  EXPECT_EQ(stats.n_nonzero(), 3);
  EXPECT_EQ(stats.amax, 4.0f);
  EXPECT_EQ(stats.amin_nonzero, 0x1p-140f);
  EXPECT_EQ(stats.exponents[128], 1);  // 3 = 1.5 * 2^1
  EXPECT_EQ(stats.exponents[129], 1);
  EXPECT_EQ(stats.exponents[0], 1);
  EXPECT_NEAR(stats.rms(), std::sqrt(5.0), 1e-15);
}

TEST(ValueStats, MomentsHaveTheirTextbookValues) {
  ValueStats signs;
  signs.add(std::vector<float>{1.0f, -1.0f, 1.0f, -1.0f});
  EXPECT_EQ(signs.kurtosis(), 1.0);
  EXPECT_EQ(signs.crest(), 1.0);

  std::vector<float> normal(1 << 18);
  for (size_t i = 0; i < normal.size(); ++i) {
    normal[i] = static_cast<float>(random_normal(3, 1, i));
  }
  ValueStats gauss;
  gauss.add(normal);
  // Standard error of the moment ratio is sqrt(24 / n) = 0.0096.
  EXPECT_NEAR(gauss.kurtosis(), 3.0, 0.04);
  EXPECT_NEAR(gauss.rms(), 1.0, 0.01);
}

TEST(ValueStats, NothingAndZerosAreZero) {
  ValueStats stats;
  EXPECT_EQ(stats.rms(), 0.0);
  stats.add(std::vector<float>{0.0f, 0.0f});
  EXPECT_EQ(stats.crest(), 0.0);
  EXPECT_EQ(stats.kurtosis(), 0.0);
  EXPECT_EQ(stats.amin_nonzero, 0.0f);
}

TEST(ValueStats, CodesGiveWhatValuesGive) {
  std::vector<float> decoded(kHalfCodes);
  for (size_t i = 0; i < kHalfCodes; ++i) decoded[i] = bf16_to_float(static_cast<uint16_t>(i));
  std::vector<int64_t> counts(kHalfCodes);
  ValueStats direct;
  for (uint64_t i = 0; i < 10000; ++i) {
    const uint16_t code = float_to_bf16(static_cast<float>(random_normal(4, 2, i)));
    ++counts[code];
    direct.add(std::vector<float>{bf16_to_float(code)});
  }
  counts[0x7FC0] = 2;
  counts[0xFF80] = 3;
  counts[0x8000] = 4;
  const auto stats = ValueStats::of_codes(std::span<const int64_t, kHalfCodes>(counts),
                                          std::span<const float, kHalfCodes>(decoded));
  EXPECT_EQ(stats.n, direct.n + 9);
  EXPECT_EQ(stats.n_nan, 2);
  EXPECT_EQ(stats.n_inf, 3);
  EXPECT_EQ(stats.n_zero, direct.n_zero + 4);
  EXPECT_EQ(stats.amax, direct.amax);
  EXPECT_EQ(stats.amin_nonzero, direct.amin_nonzero);
  EXPECT_EQ(stats.exponents, direct.exponents);
  EXPECT_NEAR(stats.sum_x2, direct.sum_x2, 1e-9 * direct.sum_x2);
  EXPECT_NEAR(stats.sum_x4, direct.sum_x4, 1e-9 * direct.sum_x4);
}

}  // namespace
}  // namespace ballast
