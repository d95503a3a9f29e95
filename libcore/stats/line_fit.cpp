#include "libcore/stats/line_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "libcore/base/check.h"

namespace ballast {
namespace {

// 97.5 % quantile of the t-statistic with Bartlett weights over a share b of the sample.
double fixed_b_critical(double b) { return 1.9600 + b * (2.9694 + b * (0.4160 - b * 0.5324)); }

struct Symmetric {
  double aa = 0, ab = 0, bb = 0;
};

// Long-run variance of the scores (e, e z).
Symmetric long_run(const std::vector<double>& e, const std::vector<double>& z, int64_t lags) {
  const auto n = static_cast<int64_t>(e.size());
  Symmetric sum;
  for (int64_t lag = 0; lag <= lags; ++lag) {
    const double weight = 1 - static_cast<double>(lag) / static_cast<double>(lags + 1);
    const double twice = lag == 0 ? 1 : 2;
    for (int64_t t = lag; t < n; ++t) {
      const auto i = static_cast<size_t>(t), j = static_cast<size_t>(t - lag);
      const double product = twice * weight * e[i] * e[j];
      sum.aa += product;
      sum.ab += product * (z[i] + z[j]) / 2;
      sum.bb += product * z[i] * z[j];
    }
  }
  return sum;
}

}  // namespace

LineFit fit_line(std::span<const double> x, std::span<const double> y, double at) {
  BALLAST_CHECK(x.size() == y.size() && x.size() >= 4);
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / n;
    mean_y += y[i] / n;
  }
  // In units of the spread of x around its mean, where the normal equations are diagonal.
  double spread = 0;
  for (const double value : x) spread += (value - mean_x) * (value - mean_x);
  spread = std::sqrt(spread / n);
  BALLAST_CHECK(spread > 0);
  std::vector<double> z, e;
  double slope = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    z.push_back((x[i] - mean_x) / spread);
    slope += z[i] * (y[i] - mean_y) / n;
  }
  for (size_t i = 0; i < x.size(); ++i) e.push_back(y[i] - mean_y - slope * z[i]);
  const auto lags =
      std::min(static_cast<int64_t>(std::ceil(1.3 * std::sqrt(n))), static_cast<int64_t>(n) - 1);
  const Symmetric meat = long_run(e, z, lags);
  const double scale = n / (n - 2) / (n * n);
  const double where = (at - mean_x) / spread;
  const auto error = [](double variance) { return std::sqrt(std::max(variance, 0.0)); };
  LineFit fit;
  fit.value = mean_y + slope * where;
  fit.slope = slope / spread;
  fit.value_error = error(scale * (meat.aa + 2 * where * meat.ab + where * where * meat.bb));
  fit.slope_error = error(scale * meat.bb) / spread;
  fit.critical = fixed_b_critical(static_cast<double>(lags) / n);
  return fit;
}

}  // namespace ballast
