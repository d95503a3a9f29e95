#include "libcore/stats/curve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/check.h"
#include "libcore/stats/robust.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double interpolated(std::span<const double> x, std::span<const double> y, double at) {
  if (x.empty() || !(at >= x.front() && at <= x.back())) return kNone;
  const auto above = static_cast<size_t>(std::lower_bound(x.begin(), x.end(), at) - x.begin());
  if (x[above] == at) return y[above];
  const double share = (at - x[above - 1]) / (x[above] - x[above - 1]);
  return y[above - 1] + share * (y[above] - y[above - 1]);
}

std::vector<double> running_median(std::span<const double> values, int64_t width) {
  const size_t n = values.size();
  if (width <= 1 || n < 3) return {values.begin(), values.end()};
  const size_t half = std::min(static_cast<size_t>(width) / 2, (n - 1) / 2);
  std::vector<double> result(n);
  SortedWindow window(static_cast<int64_t>(2 * half + 1));
  // From the end inwards first: a window grows by two values and never shrinks.
  for (size_t k = 0; k < half; ++k) {
    if (k > 0) window.push(values[n - 2 * k]);
    window.push(values[n - 1 - 2 * k]);
    result[n - 1 - k] = window.median();
  }
  window.clear();
  for (size_t i = 0; i + half < n; ++i) {
    if (i > 0 && i <= half) window.push(values[2 * i - 1]);
    window.push(values[i <= half ? 2 * i : i + half]);
    result[i] = window.median();
  }
  return result;
}

double first_at_or_below(std::span<const double> x, std::span<const double> y, double level) {
  for (size_t i = 0; i < x.size(); ++i) {
    if (!(y[i] <= level)) continue;
    if (i == 0 || y[i] == level) return x[i];
    return x[i - 1] + (x[i] - x[i - 1]) * (y[i - 1] - level) / (y[i - 1] - y[i]);
  }
  return kNone;
}

std::vector<double> foretold(std::span<const double> x, std::span<const double> y, int64_t least) {
  BALLAST_CHECK(x.size() == y.size() && least >= 3);
  struct Sums {
    double u = 0, v = 0, uu = 0, uv = 0;
  };
  // Sums over the points up to each, of log x and y around their first values.
  std::vector<Sums> sums = {{}};
  std::vector<double> u;
  const auto first = static_cast<size_t>(std::upper_bound(x.begin(), x.end(), 0.0) -
                                         x.begin());  // of the positive ones
  for (size_t i = 0; i < x.size(); ++i) {
    u.push_back(i < first ? 0 : std::log(x[i] / x[first]));
    const double v = y[i] - y.front();
    const Sums& s = sums.back();
    sums.push_back({s.u + u[i], s.v + v, s.uu + u[i] * u[i], s.uv + u[i] * v});
  }
  std::vector<double> result(x.size(), kNone);
  size_t begin = first, end = first;
  for (size_t i = first; i < x.size(); ++i) {
    while (x[begin] < x[i] / 4) ++begin;
    while (x[end] <= x[i] / 2) ++end;
    if (end < begin + static_cast<size_t>(least)) continue;
    const Sums &a = sums[begin], &b = sums[end];
    const auto n = static_cast<double>(end - begin);
    const double mean_u = (b.u - a.u) / n, mean_v = (b.v - a.v) / n;
    const double uu = b.uu - a.uu - n * mean_u * mean_u;
    if (!(uu > 0)) continue;
    const double slope = (b.uv - a.uv - n * mean_u * mean_v) / uu;
    result[i] = y.front() + mean_v + slope * (u[i] - mean_u);
  }
  return result;
}

}  // namespace ballast
