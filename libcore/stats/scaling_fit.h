// The loss of a finished run as a function of its size and data, L(N, D) = E + A/N^alpha +
// B/D^beta, fitted as in approach 3 of Hoffmann et al. (arXiv 2203.15556, appendix D.3) with the
// corrections of Besiroglu et al. (arXiv 2404.10102): the Huber loss (delta 1e-3) of log
// predictions is summed, not averaged, and minimised by L-BFGS from a grid of 4500 starts. With
// a = log A, b = log B, e = log E,
//   min sum_i Huber(LSE(a - alpha log N_i, b - beta log D_i, e) - log L_i).
// Losses must be those of runs whose rate was cooled down. Same bits with any number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/thread_pool.h"

namespace ballast {

struct ScalingPoint {
  double parameters = 0, tokens = 0;
  double loss = 0;  // nats per token; all three finite and above 0
};

struct ScalingLaw {
  double a = 0, b = 0, e = 0, alpha = 0, beta = 0;

  double A() const;
  double B() const;
  double E() const;
  double loss(double parameters, double tokens) const;
  // N grows as C^exponent, D as C^(1 - exponent).
  double exponent() const { return beta / (alpha + beta); }
};

inline constexpr double kScalingHuber = 1e-3;
inline constexpr int64_t kScalingStarts = 4500;

// The sum above, and its gradient in the order a, b, e, alpha, beta.
double scaling_objective(std::span<const ScalingPoint> points, const ScalingLaw& law,
                         std::array<double, 5>* gradient = nullptr);

struct ScalingFit {
  ScalingLaw law;
  double objective = 0;
  int64_t starts = 0, converged = 0;
  std::vector<ScalingLaw> minima;  // the best few that differ, best first
};

// Kind insufficient with fewer than 6 points, or fewer than 3 different sizes or data lengths, or
// when no start converged.
Result<ScalingFit> fit_scaling(std::span<const ScalingPoint> points, ThreadPool& pool);

// Fits of `samples` sets drawn with replacement, each begun from the minima of `fit`; those that
// did not converge are missing. Pure in (seed, samples).
std::vector<ScalingLaw> bootstrap_scaling(std::span<const ScalingPoint> points,
                                          const ScalingFit& fit, int64_t samples, uint64_t seed,
                                          ThreadPool& pool);

struct ScalingOptimum {
  double parameters = 0, tokens = 0, loss = 0;
};
// The best split of `flops` = 6 N D.
ScalingOptimum scaling_optimum(const ScalingLaw& law, double flops);

}  // namespace ballast
