// Which optimizer a run uses, with what constants, and the parts of it that are laws of the step
// count: AdEMAMix's two warm-ups. The update itself is an op (Backend::optimizer_step; formulas in
// kernels/ref/optimizer.h). Pure; errors are kind usage naming --optimizer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/model/params.h"
#include "libcore/tensor/backend.h"

namespace ballast {

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::adamw;
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, decay = 0.1;
  double beta3 = 0.9999, alpha = 8;            // ademamix, when warm
  int64_t alpha_warmup = 0, beta3_warmup = 0;  // ademamix: T of each, in optimizer steps
  Dtype state = Dtype::f32;                    // of m, v, m2: f32 or bf16

  bool has_slow_moment() const { return kind == OptimizerKind::ademamix; }
  int64_t state_bytes_per_parameter() const {
    return bytes_of(state) * (has_slow_moment() ? 3 : 2);
  }
  // The full strategy, every key written out; parse_optimizer() of it gives an equal one.
  std::string spec() const;
  // Kind, constants and those that belong to optimizer step t (from 1); buffers, ranges, learning
  // rate and factors are the caller's.
  OptimizerStep at(int64_t t) const;
};

// `adamw:beta1=0.9,beta2=0.95,eps=1e-8,decay=0.1,state=fp32|bf16`,
// `ademamix:beta1=0.9,beta2=0.999,beta3=0.9999,alpha=8,alpha_warmup=N,beta3_warmup=N,eps=1e-8,
// decay=0.1,state=...` (warm-ups in steps; the whole run, `total_steps`, unless given),
// `stable_adamw:beta1=0.9,beta2=0.99,eps=1e-6,decay=0.1,state=...`.
Result<OptimizerConfig> parse_optimizer(std::string_view spec, int64_t total_steps);

// AdEMAMix's alpha(t): linear from 0 at t = 0 to `alpha` at `warmup`.
double ademamix_alpha(double alpha, int64_t t, int64_t warmup);
// AdEMAMix's b3(t): from beta1 at t = 0 to beta3 at `warmup`, the half-life being linear in t. As
// in the authors' code the half-life is ln(1/2)/ln(b + 1e-8) - 1.
double ademamix_beta3(double beta1, double beta3, int64_t t, int64_t warmup);

// The optimizer ranges cut at the borders of parameters and of blocks, as stable_adamw wants them;
// entries of OptimizerStep::ratio_sums are numbered in flat order.
std::vector<OptimizerRange> ratio_ranges(const ParamTable& table);

}  // namespace ballast
