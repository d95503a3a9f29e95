#include "libcore/stats/normal.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace ballast {
namespace {

constexpr double kLogRootTwoPi = 0.918938533204672741780329736406;  // log sqrt(2 pi)
constexpr double kFarTail = -30;  // erfc is still normal there, and the series already exact

// log of the lower tail for x far below zero: density over |x| times the asymptotic series of
// Mills' ratio.
double log_far_tail(double x) {
  const double q = 1 / (x * x);
  double term = 1;
  double sum = 1;
  for (int k = 1; k <= 8; ++k) {
    term *= -(2 * k - 1) * q;
    sum += term;
  }
  return -x * x / 2 - std::log(-x) - kLogRootTwoPi + std::log(sum);
}

}  // namespace

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double normal_upper(double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); }

double log_normal_cdf(double x) {
  if (x < kFarTail) return log_far_tail(x);
  return x > 0 ? std::log1p(-normal_upper(x)) : std::log(normal_cdf(x));
}

double normal_quantile(double p) {
  if (!(p >= 0 && p <= 1)) return std::numeric_limits<double>::quiet_NaN();
  if (p == 0) return -std::numeric_limits<double>::infinity();
  if (p == 1) return std::numeric_limits<double>::infinity();
  if (p == 0.5) return 0;
  if (p > 0.5) return -normal_quantile(1 - p);
  // Start from the leading behaviour of the tail, x ~ -sqrt(-2 log p), then Newton on log(cdf),
  // which is concave and nearly parabolic: it converges from every start to the left of the answer.
  const double target = std::log(p);
  double x = -std::sqrt(-2 * target);
  for (int i = 0; i < 60; ++i) {
    const double log_cdf = log_normal_cdf(x);
    const double log_slope = -x * x / 2 - kLogRootTwoPi - log_cdf;  // log of density over cdf
    const double change = (target - log_cdf) * std::exp(-log_slope);
    x += change;
    if (std::abs(change) <= 1e-15 * (1 + std::abs(x))) break;
  }
  return x;
}

}  // namespace ballast
