// What convex theory says of a learning-rate schedule: the last-iterate bound of Schaipp et al.
// (arXiv 2501.18965, Theorem 1, after Defazio et al., arXiv 2310.07831, Theorem 10). For SGD with
// steps gamma eta_t, D >= ||x_1 - x*|| and G_t^2 >= E||g_t||^2,
//   E f(x_T) - f* <= Omega_T(gamma) = T1/gamma + gamma T2
//   T1 = D^2/(2 S_1), S_k = sum_{t=k..T} eta_t, Q_k = sum_{t=k..T} eta_t^2 G_t^2
//   T2 = Q_1/(2 S_1) + 1/2 sum_{k=1..T-1} (eta_k/S_{k+1}) (Q_k/S_k)
// Sums run backwards, so every one is of positive terms and nothing cancels. Pure; O(T).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

struct LrBoundSettings {
  double distance = 1;            // D
  double norm = 1;                // G where `norms` is empty
  std::span<const double> norms;  // G_t, one per step, or empty
};

struct LrBound {
  int64_t steps = 0;         // T: up to the last step whose rate is not 0
  double distance_term = 0;  // T1
  double noise_term = 0;     // T2

  double at(double gamma) const { return distance_term / gamma + gamma * noise_term; }
  double best_gamma() const;  // gamma*: the base rate with the lowest bound
  double best() const;        // Omega*: the bound there
};

// `eta` are the rates of the steps as multiples of the base rate: finite, not negative. Steps of
// rate 0 at the end change nothing and are dropped. Kind usage when no rate is positive.
Result<LrBound> lr_bound(std::span<const double> eta, const LrBoundSettings& settings = {});

// The bound of the iterate after t steps, t = `after[i]` from 1 to T, at one base rate: what the
// loss curve of a run looks like to this theory. O(T) for each.
Result<std::vector<double>> lr_bound_curve(std::span<const double> eta,
                                           const LrBoundSettings& settings, double gamma,
                                           std::span<const int64_t> after);

}  // namespace ballast
