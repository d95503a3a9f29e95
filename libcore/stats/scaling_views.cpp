#include "libcore/stats/scaling_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace ballast {
namespace {

// Tail of Student's t beyond t >= 0 for whole degrees of freedom: Abramowitz and Stegun 26.7.3 and
// 26.7.4.
double student_t_center(double t, int64_t degrees) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double c = std::cos(angle), s = std::sin(angle);
  double term = degrees % 2 == 1 ? c : 1, sum = degrees == 1 ? 0 : term;
  for (int64_t k = degrees % 2 == 1 ? 3 : 2; k <= degrees - 2; k += 2) {
    const double n = static_cast<double>(k);
    term *= c * c * (n - 1) / n;
    sum += term;
  }
  return degrees % 2 == 1 ? 2 / std::numbers::pi * (angle + s * sum) : s * sum;
}

// Coefficients of the least-squares parabola c0 + c1 u + c2 u^2.
struct Parabola {
  double c0 = 0, c1 = 0, c2 = 0;
};
Parabola fit_parabola(std::span<const double> u, std::span<const double> y) {
  // Orthogonal polynomials on the points: 1, u - m, and (u - m)^2 less its projections.
  const double n = static_cast<double>(u.size());
  const double mean = std::accumulate(u.begin(), u.end(), 0.0) / n;
  double s2 = 0, s3 = 0, y0 = 0, y1 = 0;
  for (size_t i = 0; i < u.size(); ++i) {
    const double p = u[i] - mean;
    s2 += p * p;
    s3 += p * p * p;
    y0 += y[i];
    y1 += y[i] * p;
  }
  const double skew = s3 / s2, spread = s2 / n;
  double norm = 0, y2 = 0;
  for (size_t i = 0; i < u.size(); ++i) {
    const double p = u[i] - mean, q = p * p - skew * p - spread;
    norm += q * q;
    y2 += y[i] * q;
  }
  const double a2 = y2 / norm, a1 = y1 / s2 - a2 * skew, a0 = y0 / n - a2 * spread;
  return {a0 - a1 * mean + a2 * mean * mean, a1 - 2 * a2 * mean, a2};
}

}  // namespace

double forward_flops(const ModelShape& m) {
  const double s = m.seq_len, kh = m.head_size * m.heads;
  const double embedding = 2 * s * m.vocab * m.hidden;
  const double layer = 6 * s * m.hidden * kh + 2 * s * s * kh + 3 * m.heads * s * s +
                       2 * s * s * kh + 2 * s * kh * m.hidden +
                       (m.gated ? 6 : 4) * s * m.hidden * m.ffw;
  return embedding + m.layers * layer + 2 * s * m.hidden * m.vocab;
}

double training_flops(const ModelShape& shape, double tokens) {
  return 3 * forward_flops(shape) * tokens / shape.seq_len;
}

std::vector<size_t> loss_envelope(std::span<const ComputePoint> points) {
  std::vector<size_t> order(points.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return points[a].flops != points[b].flops ? points[a].flops < points[b].flops
                                              : points[a].loss < points[b].loss;
  });
  std::vector<size_t> envelope;
  double lowest = std::numeric_limits<double>::infinity();
  for (const size_t i : order) {
    if (!(points[i].loss < lowest)) continue;
    lowest = points[i].loss;
    envelope.push_back(i);
  }
  return envelope;
}

BranchingCost branching_cost(std::span<const double> horizons, double cooldown_share) {
  BranchingCost cost;
  double trunk = 0;
  for (const double horizon : horizons) {
    cost.separate += horizon;
    cost.branched += cooldown_share * horizon;
    trunk = std::max(trunk, (1 - cooldown_share) * horizon);
  }
  cost.branched += trunk;
  return cost;
}

Result<LrOptimum> best_sweep_lr(std::vector<SweepRun> runs) {
  std::erase_if(runs, [](const SweepRun& run) { return !std::isfinite(run.loss); });
  std::ranges::stable_sort(runs, {}, &SweepRun::lr);
  const auto best = std::ranges::min_element(runs, {}, &SweepRun::loss);
  if (runs.size() < 3) return insufficient_error("fewer than 3 runs with a loss");
  if (best->lr == runs.front().lr || best->lr == runs.back().lr)
    return insufficient_error(
        fmt::format("the best rate {:g} is at an end of the sweep", best->lr));
  const auto low = best - std::min<std::ptrdiff_t>(2, best - runs.begin());
  const auto high = best + std::min<std::ptrdiff_t>(3, runs.end() - best);
  std::vector<double> u, y;
  for (auto run = low; run != high; ++run) {
    u.push_back(std::log(run->lr / best->lr));
    y.push_back(run->loss);
  }
  const Parabola parabola = fit_parabola(u, y);
  const double place = -parabola.c1 / (2 * parabola.c2);
  if (!(parabola.c2 > 0) || !(place >= u.front() && place <= u.back()))
    return insufficient_error("the parabola has no minimum between its runs");
  LrOptimum optimum;
  optimum.lr = best->lr * std::exp(place);
  optimum.loss = parabola.c0 + place * (parabola.c1 + place * parabola.c2);
  optimum.runs = static_cast<int64_t>(u.size());
  return optimum;
}

double PowerLaw::at(double x) const { return std::exp(log_factor + exponent * std::log(x)); }

PowerLaw::Interval PowerLaw::interval_at(double x) const {
  const double distance = std::log(x) - mean_log_x;
  const double half =
      quantile * residual *
      std::sqrt(1 / static_cast<double>(count) + distance * distance / squares_log_x);
  return {at(x) * std::exp(-half), at(x) * std::exp(half)};
}

Result<PowerLaw> fit_power_law(std::span<const double> x, std::span<const double> y) {
  PowerLaw law;
  law.count = static_cast<int64_t>(x.size());
  const double n = static_cast<double>(x.size());
  double mean_y = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    law.mean_log_x += std::log(x[i]) / n;
    mean_y += std::log(y[i]) / n;
  }
  double products = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double u = std::log(x[i]) - law.mean_log_x;
    law.squares_log_x += u * u;
    products += u * (std::log(y[i]) - mean_y);
  }
  if (law.count < 3 || !(law.squares_log_x > 0))
    return insufficient_error(fmt::format("{} sizes give no interval", x.size()), "", "at least 3");
  law.exponent = products / law.squares_log_x;
  law.log_factor = mean_y - law.exponent * law.mean_log_x;
  double squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double r = std::log(y[i]) - law.log_factor - law.exponent * std::log(x[i]);
    squares += r * r;
  }
  law.residual = std::sqrt(squares / (n - 2));
  law.quantile = student_t_quantile(0.975, law.count - 2);
  const double half = law.quantile * law.residual / std::sqrt(law.squares_log_x);
  law.exponent_low = law.exponent - half;
  law.exponent_high = law.exponent + half;
  return law;
}

double student_t_quantile(double p, int64_t degrees) {
  double low = 0, high = 1;
  while (student_t_center(high, degrees) < 2 * p - 1) high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = (low + high) / 2;
    if (middle == low || middle == high) break;
    (student_t_center(middle, degrees) < 2 * p - 1 ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace ballast
