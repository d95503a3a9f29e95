#include "libcore/stats/normality.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numbers>

#include "libcore/stats/normal.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr TestResult kUndefined = {kNone, kNone};

double polynomial(double x, std::initializer_list<double> ascending) {
  double sum = 0;
  for (auto c = std::rbegin(ascending); c != std::rend(ascending); ++c) sum = sum * x + *c;
  return sum;
}

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> copy(values.begin(), values.end());
  std::sort(copy.begin(), copy.end());
  return copy;
}

bool all_equal(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
}

// p of W from 1 - W and n: Royston makes log(1 - W) normal.
double shapiro_p(double w, double rest, int64_t count) {
  const auto n = static_cast<double>(count);
  if (count == 3)
    return w < 0.75 ? 0 : std::max(0.0, 1 - 6 / std::numbers::pi * std::acos(std::sqrt(w)));
  const double log_rest = std::log(rest);
  if (count <= 11) {
    const double bound = -2.273 + 0.459 * n;
    if (log_rest >= bound) return 1e-99;
    const double mean = polynomial(n, {0.5440, -0.39978, 0.025054, -0.0006714});
    const double scale = std::exp(polynomial(n, {1.3822, -0.77857, 0.062767, -0.0020322}));
    return normal_upper((-std::log(bound - log_rest) - mean) / scale);
  }
  const double l = std::log(n);
  const double mean = polynomial(l, {-1.5861, -0.31082, -0.083751, 0.0038915});
  const double scale = std::exp(polynomial(l, {-0.4803, -0.082676, 0.0030302}));
  return normal_upper((log_rest - mean) / scale);
}

double skewness_z(double skewness, double n) {
  const double y = skewness * std::sqrt((n + 1) * (n + 3) / (6 * (n - 2)));
  const double b =
      3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9));
  const double w2 = std::sqrt(2 * (b - 1)) - 1;
  return std::asinh(y / std::sqrt(2 / (w2 - 1))) / std::sqrt(0.5 * std::log(w2));
}

double kurtosis_z(double kurtosis, double n) {
  const double mean = 3 * (n - 1) / (n + 1);
  const double variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1) * (n + 3) * (n + 5));
  const double x = (kurtosis - mean) / std::sqrt(variance);
  const double q = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) *
                   std::sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)));
  const double a = 6 + 8 / q * (2 / q + std::sqrt(1 + 4 / (q * q)));
  const double cube = std::cbrt((1 - 2 / a) / (1 + x * std::sqrt(2 / (a - 4))));
  return (1 - 2 / (9 * a) - cube) / std::sqrt(2 / (9 * a));
}

double anderson_p(double a) {
  if (a >= 0.6) return std::exp(polynomial(a, {1.2937, -5.709, 0.0186}));
  if (a > 0.34) return std::exp(polynomial(a, {0.9177, -4.279, -1.38}));
  if (a > 0.2) return 1 - std::exp(polynomial(a, {-8.318, 42.796, -59.938}));
  return 1 - std::exp(polynomial(a, {-13.436, 101.14, -223.73}));
}

}  // namespace

Shape shape_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  if (values.empty()) return {kNone, kNone, kNone, kNone};
  double mean = 0;
  for (const double value : values) mean += value;
  mean /= n;
  double second = 0, third = 0, fourth = 0;
  for (const double value : values) {
    const double d = value - mean;
    second += d * d;
    third += d * d * d;
    fourth += d * d * d * d;
  }
  const double deviation = values.size() < 2 ? kNone : std::sqrt(second / (n - 1));
  if (!(second > 0)) return {mean, deviation, kNone, kNone};
  const double variance = second / n;
  return {mean, deviation, third / n / std::pow(variance, 1.5), fourth / n / (variance * variance)};
}

std::vector<double> normal_scores(int64_t n) {
  std::vector<double> scores;
  for (int64_t i = 1; i <= n; ++i)
    scores.push_back(
        normal_quantile((static_cast<double>(i) - 0.375) / (static_cast<double>(n) + 0.25)));
  return scores;
}

std::vector<double> shapiro_weights(int64_t n) {
  if (n < 3) return {};
  const std::vector<double> m = normal_scores(n);
  std::vector<double> weights(m.begin() + (n + 1) / 2, m.end());
  if (n == 3) return {std::numbers::sqrt2 / 2};
  double squares = 0;
  for (const double score : m) squares += score * score;
  const double root = std::sqrt(squares);
  const double u = 1 / std::sqrt(static_cast<double>(n));
  const size_t last = weights.size() - 1;
  const double m_last = weights[last], m_next = weights[last - 1];
  const double a_last =
      m_last / root + polynomial(u, {0, 0.221157, -0.147981, -2.071190, 4.434685, -2.706056});
  const double a_next =
      m_next / root + polynomial(u, {0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633});
  // The weights that are not special are scaled so that all squares add up to 1.
  const bool two = n > 5;
  const double phi = (squares - 2 * m_last * m_last - (two ? 2 * m_next * m_next : 0)) /
                     (1 - 2 * a_last * a_last - (two ? 2 * a_next * a_next : 0));
  for (double& weight : weights) weight /= std::sqrt(phi);
  weights[last] = a_last;
  if (two) weights[last - 1] = a_next;
  return weights;
}

TestResult shapiro_wilk(std::span<const double> values) {
  const auto n = static_cast<int64_t>(values.size());
  if (n < 3 || n > 5000 || all_equal(values)) return kUndefined;
  const std::vector<double> x = sorted(values);
  const std::vector<double> weights = shapiro_weights(n);
  const Shape shape = shape_of(x);
  double squares = 0;
  for (const double value : x) squares += (value - shape.mean) * (value - shape.mean);
  double slope = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t high = x.size() - weights.size() + i;
    slope += weights[i] * (x[high] - x[x.size() - 1 - high]);
  }
  // 1 - W as a product: W near 1 would lose its digits.
  const double root = std::sqrt(squares);
  const double rest =
      std::max((root - slope) * (root + slope) / squares, std::numeric_limits<double>::min());
  const double w = std::min(1 - rest, 1.0);
  return {w, shapiro_p(w, rest, n)};
}

TestResult dagostino_k2(std::span<const double> values) {
  if (values.size() < 8 || all_equal(values)) return kUndefined;
  const auto n = static_cast<double>(values.size());
  const Shape shape = shape_of(values);
  const double z1 = skewness_z(shape.skewness, n);
  const double z2 = kurtosis_z(shape.kurtosis, n);
  const double k2 = z1 * z1 + z2 * z2;
  return {k2, std::exp(-k2 / 2)};
}

TestResult anderson_darling(std::span<const double> values) {
  if (values.size() < 3 || all_equal(values)) return kUndefined;
  const auto n = static_cast<double>(values.size());
  const std::vector<double> x = sorted(values);
  const Shape shape = shape_of(x);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double low = (x[i] - shape.mean) / shape.deviation;
    const double high = (x[x.size() - 1 - i] - shape.mean) / shape.deviation;
    sum += (2 * static_cast<double>(i) + 1) * (log_normal_cdf(low) + log_normal_cdf(-high));
  }
  const double a2 = -n - sum / n;
  return {a2, anderson_p(a2 * (1 + 0.75 / n + 2.25 / (n * n)))};
}

TestResult jarque_bera(std::span<const double> values) {
  if (values.size() < 2 || all_equal(values)) return kUndefined;
  const Shape shape = shape_of(values);
  const double excess = shape.kurtosis - 3;
  const double jb = static_cast<double>(values.size()) / 6 *
                    (shape.skewness * shape.skewness + excess * excess / 4);
  return {jb, std::exp(-jb / 2)};
}

}  // namespace ballast
