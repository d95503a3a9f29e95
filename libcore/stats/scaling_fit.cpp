#include "libcore/stats/scaling_fit.h"

#include <fmt/format.h>
#include <lbfgs.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <set>

#include "libcore/base/hash.h"
#include "libcore/base/rng.h"

namespace ballast {
namespace {

constexpr int kUnknowns = 5;
constexpr double kScale = 1e5;        // of the objective: its minimum is about 1e-3
constexpr double kTolerance = 1e-7;   // of the scaled gradient, relative to the unknowns
constexpr double kNearEnough = 1e-3;  // likewise, where rounding ended a line search
constexpr int kMostIterations = 2000;
constexpr size_t kMostMinima = 4;
constexpr double kSameMinimum = 1e-6;  // of objectives, relative

// Logarithms about their means: a and alpha, b and beta then hardly depend on each other, and
// L-BFGS needs a tenth of the steps. The law is the same one.
class CenteredProblem {
 public:
  explicit CenteredProblem(std::span<const ScalingPoint> points) {
    for (const ScalingPoint& p : points)
      rows_.push_back({std::log(p.parameters), std::log(p.tokens), std::log(p.loss)});
    for (const Row& row : rows_) {
      mean_n_ += row.n / static_cast<double>(rows_.size());
      mean_d_ += row.d / static_cast<double>(rows_.size());
    }
    for (Row& row : rows_) {
      row.n -= mean_n_;
      row.d -= mean_d_;
    }
  }
  void from_law(const ScalingLaw& law, double* x) const {
    x[0] = law.a - law.alpha * mean_n_;
    x[1] = law.b - law.beta * mean_d_;
    x[2] = law.e;
    x[3] = law.alpha;
    x[4] = law.beta;
  }
  ScalingLaw law(const double* x) const {
    return {x[0] + x[3] * mean_n_, x[1] + x[4] * mean_d_, x[2], x[3], x[4]};
  }
  double evaluate(const double* x, double* gradient) const {
    std::fill(gradient, gradient + kUnknowns, 0.0);
    double sum = 0;
    for (const Row& row : rows_) {
      const double terms[3] = {x[0] - x[3] * row.n, x[1] - x[4] * row.d, x[2]};
      const double most = std::max({terms[0], terms[1], terms[2]});
      double weights[3], total = 0;
      for (int i = 0; i < 3; ++i) total += weights[i] = std::exp(terms[i] - most);
      const double r = most + std::log(total) - row.loss;
      sum += std::abs(r) <= kScalingHuber ? r * r / 2
                                          : kScalingHuber * (std::abs(r) - kScalingHuber / 2);
      const double psi = std::clamp(r, -kScalingHuber, kScalingHuber) / total;
      gradient[0] += psi * weights[0];
      gradient[1] += psi * weights[1];
      gradient[2] += psi * weights[2];
      gradient[3] -= psi * weights[0] * row.n;
      gradient[4] -= psi * weights[1] * row.d;
    }
    return sum;
  }
  double mean_n() const { return mean_n_; }
  double mean_d() const { return mean_d_; }

 private:
  struct Row {
    double n = 0, d = 0, loss = 0;  // logarithms
  };
  std::vector<Row> rows_;
  double mean_n_ = 0, mean_d_ = 0;
};

double call_evaluate(void* problem, const double* x, double* gradient, int, double) {
  const double value = static_cast<const CenteredProblem*>(problem)->evaluate(x, gradient);
  for (int i = 0; i < kUnknowns; ++i) gradient[i] *= kScale;
  return value * kScale;
}

double norm_of(const double* x) {
  double squares = 0;
  for (int i = 0; i < kUnknowns; ++i) squares += x[i] * x[i];
  return std::sqrt(squares);
}

struct Minimum {
  ScalingLaw law;
  double objective = 0;
};

// From one start; nothing when it does not converge.
std::optional<Minimum> descend(const CenteredProblem& problem, const ScalingLaw& start) {
  struct Free {
    void operator()(double* x) const { lbfgs_free(x); }
  };
  const std::unique_ptr<double, Free> x(lbfgs_malloc(kUnknowns));
  if (!x) throw std::bad_alloc();
  problem.from_law(start, x.get());
  lbfgs_parameter_t parameters;
  lbfgs_parameter_init(&parameters);
  parameters.epsilon = kTolerance;
  parameters.max_iterations = kMostIterations;
  parameters.max_linesearch = 40;
  double value = 0;
  // The library takes a pointer that is not const; evaluate() is.
  lbfgs(kUnknowns, x.get(), &value, call_evaluate, nullptr, const_cast<CenteredProblem*>(&problem),
        &parameters);
  double gradient[kUnknowns];
  Minimum minimum;
  minimum.objective = problem.evaluate(x.get(), gradient);
  minimum.law = problem.law(x.get());
  const double slope = kScale * norm_of(gradient);
  if (!std::isfinite(minimum.objective) ||
      !(slope <= kNearEnough * std::max(1.0, norm_of(x.get()))))
    return std::nullopt;
  return minimum;
}

ScalingLaw grid_start(int64_t index) {
  const auto take = [&](int64_t count) {
    const int64_t digit = index % count;
    index /= count;
    return static_cast<double>(digit);
  };
  ScalingLaw law;
  law.a = 5 * take(6);
  law.b = 5 * take(6);
  law.e = -1 + 0.5 * take(5);
  law.alpha = 0.5 * take(5);
  law.beta = 0.5 * take(5);
  return law;
}

Result<void> check_points(std::span<const ScalingPoint> points) {
  std::set<double> sizes, lengths;
  for (const ScalingPoint& point : points) {
    sizes.insert(point.parameters);
    lengths.insert(point.tokens);
  }
  if (points.size() < 6 || sizes.size() < 3 || lengths.size() < 3)
    return insufficient_error(
        fmt::format("{} runs of {} sizes and {} data lengths do not determine five numbers",
                    points.size(), sizes.size(), lengths.size()),
        "", "at least 6 runs of 3 sizes and 3 lengths");
  return {};
}

}  // namespace

double ScalingLaw::A() const { return std::exp(a); }
double ScalingLaw::B() const { return std::exp(b); }
double ScalingLaw::E() const { return std::exp(e); }

double ScalingLaw::loss(double parameters, double tokens) const {
  return E() + std::exp(a - alpha * std::log(parameters)) + std::exp(b - beta * std::log(tokens));
}

double scaling_objective(std::span<const ScalingPoint> points, const ScalingLaw& law,
                         std::array<double, 5>* gradient) {
  const CenteredProblem problem(points);
  double x[kUnknowns], slopes[kUnknowns];
  problem.from_law(law, x);
  const double value = problem.evaluate(x, slopes);
  if (gradient != nullptr)
    *gradient = {slopes[0], slopes[1], slopes[2], slopes[3] - problem.mean_n() * slopes[0],
                 slopes[4] - problem.mean_d() * slopes[1]};
  return value;
}

Result<ScalingFit> fit_scaling(std::span<const ScalingPoint> points, ThreadPool& pool) {
  BALLAST_TRY(check_points(points));
  const CenteredProblem problem(points);
  std::vector<std::optional<Minimum>> found(static_cast<size_t>(kScalingStarts));
  pool.parallel_for(kScalingStarts, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      found[static_cast<size_t>(i)] = descend(problem, grid_start(i));
  });
  std::vector<Minimum> minima;
  for (const auto& minimum : found)
    if (minimum) minima.push_back(*minimum);
  if (minima.empty()) return insufficient_error("no start of the fit converged");
  std::ranges::stable_sort(minima, {}, &Minimum::objective);
  ScalingFit fit;
  fit.law = minima.front().law;
  fit.objective = minima.front().objective;
  fit.starts = kScalingStarts;
  fit.converged = static_cast<int64_t>(minima.size());
  double last = -1;
  for (const Minimum& minimum : minima) {
    if (fit.minima.size() == kMostMinima) break;
    if (minimum.objective <= last * (1 + kSameMinimum)) continue;
    fit.minima.push_back(minimum.law);
    last = minimum.objective;
  }
  return fit;
}

std::vector<ScalingLaw> bootstrap_scaling(std::span<const ScalingPoint> points,
                                          const ScalingFit& fit, int64_t samples, uint64_t seed,
                                          ThreadPool& pool) {
  const uint64_t stream = xxh3_64("scaling bootstrap");
  const auto count = static_cast<uint64_t>(points.size());
  std::vector<std::optional<Minimum>> best(static_cast<size_t>(samples));
  pool.parallel_for(samples, 4, [&](int64_t begin, int64_t end) {
    std::vector<ScalingPoint> drawn(points.size());
    for (int64_t s = begin; s < end; ++s) {
      for (uint64_t i = 0; i < count; ++i) {
        const double u = random_uniform(seed, stream, static_cast<uint64_t>(s) * count + i);
        drawn[i] = points[static_cast<size_t>(u * static_cast<double>(count))];
      }
      const CenteredProblem problem(drawn);
      auto& least = best[static_cast<size_t>(s)];
      for (const ScalingLaw& start : fit.minima) {
        const std::optional<Minimum> minimum = descend(problem, start);
        if (minimum && (!least || minimum->objective < least->objective)) least = minimum;
      }
    }
  });
  std::vector<ScalingLaw> laws;
  for (const auto& minimum : best)
    if (minimum) laws.push_back(minimum->law);
  return laws;
}

ScalingOptimum scaling_optimum(const ScalingLaw& law, double flops) {
  const double log_g =
      (std::log(law.alpha) + law.a - std::log(law.beta) - law.b) / (law.alpha + law.beta);
  ScalingOptimum best;
  best.parameters = std::exp(log_g + law.exponent() * std::log(flops / 6));
  best.tokens = flops / 6 / best.parameters;
  best.loss = law.loss(best.parameters, best.tokens);
  return best;
}

}  // namespace ballast
