// AdaGC (Wang et al., arXiv 2502.11034; defaults as in the project kozistr/pytorch_optimizer):
// every tensor's gradient is clipped by its own past instead of by the global norm. With g_i the
// norm of tensor i's gradient at step t (from 1) and g that of all:
//   t < warmup  h = min(abs/g, 1) for all tensors, c_i = h g_i; r_i := c_1 at t = 1, then
//               min(r_i, c_i)
//   afterwards  h_i = min(rel r_i/g_i, 1), c_i = h_i g_i; r_i := beta r_i + (1 - beta) c_i
// A tensor without a gradient (g_i = 0) has h_i = 1. What the law's authors leave open: such a step
// does not enter the minimum of the warm-up, which would be 0 for good; a step with a norm that is
// not finite is left alone and teaches nothing; after a planned event the tensors are warmed up
// anew, for `rewarm` steps (0: events do nothing).
// Takes one norm for each tensor, so it is no Clipper: `pretrain` clips by the global norm, and
// only gradstat replays this law, over traces that have those norms. Pure; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

struct AdaGcSettings {
  double beta = 0.98;
  double absolute = 1;     // abs: of the global norm
  double relative = 1.05;  // rel: of a tensor's own
  int64_t warmup = 100;    // the first step that is tested
  int64_t rewarm = 50;
};

struct AdaGcDecision {
  std::vector<double> factors;  // h_i
  double factor = 1;            // norm of the whole gradient after, by that before
  bool clipped = false;         // some h_i < 1
  bool warming = false;
  bool valid = true;  // false: a norm was not finite
};

class AdaGc {
 public:
  explicit AdaGc(const AdaGcSettings& settings) : settings_(settings) {}
  // Norms of all tensors in the same order at every step, and as many.
  AdaGcDecision decide(std::span<const double> norms);
  void on_event();
  std::string spec() const;
  const std::vector<double>& references() const { return references_; }  // r_i, infinite: none yet

 private:
  void learn(double& reference, double after, bool warming) const;

  AdaGcSettings settings_;
  int64_t step_ = 0;  // since the last warm-up began, which is over from `ends_` on
  int64_t ends_ = settings_.warmup;
  bool warmed_ = false;  // a warm-up has come to its end
  std::vector<double> references_;
};

// `adagc:beta=0.98,abs=1,rel=1.05,warmup=100,rewarm=50`; is_adagc() of what begins like it. Kind
// usage, naming `flag`.
bool is_adagc(std::string_view spec);
Result<AdaGc> make_adagc(std::string_view spec, const std::string& flag = "--clip");

}  // namespace ballast
