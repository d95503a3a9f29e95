// Tests of the hypothesis that a sample is normal, mean and deviation unknown. Small p: it is not.
// They take independent values for granted: thin what depends on its neighbours first (thinning.h).
// Pure; values finite, in any order.
//   Shapiro-Wilk      Royston's approximation (Applied Statistics 44, 1995, AS R94), 3 <= n <= 5000
//   D'Agostino K2     D'Agostino and Pearson 1973, skewness and kurtosis made normal; n >= 8, the
//                     kurtosis part is good from n = 20 on
//   Anderson-Darling  with Stephens' small-sample factor and p (D'Agostino and Stephens 1986)
//   Jarque-Bera       1980, with the limiting chi-square: p is too large below some 2000 values
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ballast {

// statistic and p are NaN where a test is not defined: too few or too many values, or all equal.
struct TestResult {
  double statistic = 0;
  double p = 0;
};

struct Shape {
  double mean = 0;
  double deviation = 0;  // sample (n - 1)
  double skewness = 0;   // population moments
  double kurtosis = 0;   // likewise; 3 for a normal distribution
};
Shape shape_of(std::span<const double> values);

TestResult shapiro_wilk(std::span<const double> values);
TestResult dagostino_k2(std::span<const double> values);
TestResult anderson_darling(std::span<const double> values);
TestResult jarque_bera(std::span<const double> values);

// The upper half of Royston's weights for n values, smallest first; the others mirror them.
std::vector<double> shapiro_weights(int64_t n);

// Standard normal quantiles at which n ordered values stand in a Q-Q plot: (i - 3/8)/(n + 1/4).
std::vector<double> normal_scores(int64_t n);

}  // namespace ballast
