#include "libcore/stats/trend.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/stats/robust.h"

namespace ballast {
namespace {

constexpr size_t kMostPoints = 512;
constexpr double kMostCorrelation = 0.9;

double pairs_variance(double n) { return n * (n - 1) * (2 * n + 5) / 18; }

// Solves the symmetric 3 x 3 system by elimination with pivots; false when it is singular.
bool solve3(std::array<std::array<double, 4>, 3>& m, std::array<double, 3>& out) {
  for (size_t c = 0; c < 3; ++c) {
    size_t pivot = c;
    for (size_t r = c + 1; r < 3; ++r)
      if (std::abs(m[r][c]) > std::abs(m[pivot][c])) pivot = r;
    if (m[pivot][c] == 0) return false;
    std::swap(m[c], m[pivot]);
    for (size_t r = c + 1; r < 3; ++r) {
      const double factor = m[r][c] / m[c][c];
      for (size_t k = c; k < 4; ++k) m[r][k] -= factor * m[c][k];
    }
  }
  for (size_t c = 3; c-- > 0;) {
    double sum = m[c][3];
    for (size_t k = c + 1; k < 3; ++k) sum -= m[c][k] * out[k];
    out[c] = sum / m[c][c];
  }
  return true;
}

// Sum of squared residuals of the two lines that meet at x[knot].
double hinge_at(std::span<const double> x, std::span<const double> y, size_t knot, HingeFit& fit) {
  std::array<std::array<double, 4>, 3> m{};
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = x[i] - x[knot];
    const std::array<double, 4> row = {1, std::min(d, 0.0), std::max(d, 0.0), y[i]};
    for (size_t r = 0; r < 3; ++r)
      for (size_t c = 0; c < 4; ++c) m[r][c] += row[r] * row[c];
  }
  std::array<double, 3> b{};
  if (!solve3(m, b)) return std::numeric_limits<double>::infinity();
  fit = {static_cast<int64_t>(knot), b[0], b[1], b[2]};
  double squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = x[i] - x[knot];
    const double e = y[i] - b[0] - b[1] * std::min(d, 0.0) - b[2] * std::max(d, 0.0);
    squares += e * e;
  }
  return squares;
}

}  // namespace

double KendallTrend::z(double inflation) const {
  if (score == 0 || variance <= 0) return 0;
  return (score > 0 ? score - 1 : score + 1) / std::sqrt(variance * inflation);
}

KendallTrend kendall_trend(std::span<const double> values) {
  KendallTrend trend;
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t j = i + 1; j < values.size(); ++j)
      trend.score += (values[j] > values[i]) - (values[j] < values[i]);
  trend.variance = pairs_variance(static_cast<double>(values.size()));
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size();) {
    size_t end = i;
    while (end < sorted.size() && sorted[end] == sorted[i]) ++end;
    trend.variance -= pairs_variance(static_cast<double>(end - i));
    i = end;
  }
  return trend;
}

double serial_inflation(std::span<const double> residuals) {
  const auto n = static_cast<double>(residuals.size());
  if (n < 4) return 1;
  // The estimate is low by about (1 + 4 rho)/n in a short series (Kendall 1954).
  const double raw = autocorrelation(residuals, 1);
  const double rho = std::clamp((raw * n + 1) / (n - 4), 0.0, kMostCorrelation);
  // What white noise shows by chance is no dependence.
  if (raw <= 0) return 1;
  return (1 + rho) / (1 - rho);
}

SlopeInterval theil_sen_interval(std::span<const double> x, std::span<const double> y,
                                 double inflation, double z) {
  BALLAST_CHECK(x.size() == y.size() && x.size() >= 3);
  const size_t stride = (x.size() + kMostPoints - 1) / kMostPoints;
  std::vector<double> slopes, kept;
  for (size_t i = 0; i < x.size(); i += stride) {
    kept.push_back(y[i]);
    for (size_t j = i + stride; j < x.size(); j += stride)
      slopes.push_back((y[j] - y[i]) / (x[j] - x[i]));
  }
  std::sort(slopes.begin(), slopes.end());
  const auto pairs = static_cast<double>(slopes.size());
  const double half = z * std::sqrt(std::max(kendall_trend(kept).variance, 0.0) * inflation);
  const auto rank = [&](double position) {
    return slopes[static_cast<size_t>(std::clamp(position, 0.0, pairs - 1))];
  };
  const size_t n = slopes.size();
  const double middle = n % 2 == 1 ? slopes[n / 2] : (slopes[n / 2 - 1] + slopes[n / 2]) / 2;
  return {middle, rank(std::floor((pairs - half) / 2) - 1), rank(std::ceil((pairs + half) / 2))};
}

StepFit best_step(std::span<const double> values) {
  BALLAST_CHECK(values.size() >= 4);
  double total = 0;
  for (const double value : values) total += value;
  const auto n = static_cast<double>(values.size());
  StepFit best;
  double most = -1;
  double left = values[0];
  for (size_t at = 2; at + 2 <= values.size(); ++at) {
    left += values[at - 1];
    const auto count = static_cast<double>(at);
    const double before = left / count;
    const double after = (total - left) / (n - count);
    // What the step takes off the sum of squares.
    const double gain = count * (n - count) / n * (after - before) * (after - before);
    if (gain > most) {
      most = gain;
      best = {static_cast<int64_t>(at), before, after};
    }
  }
  return best;
}

HingeFit best_hinge(std::span<const double> x, std::span<const double> y) {
  BALLAST_CHECK(x.size() == y.size() && x.size() >= 5);
  HingeFit best;
  double least = std::numeric_limits<double>::infinity();
  for (size_t knot = 2; knot + 2 < x.size(); ++knot) {
    HingeFit fit;
    const double squares = hinge_at(x, y, knot, fit);
    if (squares < least) {
      least = squares;
      best = fit;
    }
  }
  return best;
}

}  // namespace ballast
