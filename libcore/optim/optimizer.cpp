#include "libcore/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr double kLargestBeta = 0.9999999;
constexpr int64_t kLongestWarmup = int64_t{1} << 53;  // steps that a double counts exactly

// An average that forgets half of what it holds in f + 1 steps.
double half_life(double beta) { return std::log(0.5) / std::log(beta + 1e-8) - 1; }

Result<OptimizerConfig> take_common(StrategySpec& spec, OptimizerConfig c, double smallest_eps) {
  c.beta1 = BALLAST_TRY(spec.take_number("beta1", c.beta1, 0.0, kLargestBeta));
  c.beta2 = BALLAST_TRY(spec.take_number("beta2", c.beta2, 0.0, kLargestBeta));
  c.eps = BALLAST_TRY(spec.take_number("eps", c.eps, smallest_eps, 1.0));
  c.decay = BALLAST_TRY(spec.take_number("decay", c.decay, 0.0, 10.0));
  const std::string state = BALLAST_TRY(spec.take_word("state", "fp32", {"fp32", "bf16"}));
  c.state = state == "bf16" ? Dtype::bf16 : Dtype::f32;
  return c;
}

Result<OptimizerConfig> take_ademamix(StrategySpec& spec, int64_t total_steps) {
  OptimizerConfig c;
  c.kind = OptimizerKind::ademamix;
  c.beta2 = 0.999;
  c = BALLAST_TRY(take_common(spec, c, 0));
  c.beta3 = BALLAST_TRY(spec.take_number("beta3", c.beta3, 0.0, kLargestBeta));
  c.alpha = BALLAST_TRY(spec.take_number("alpha", c.alpha, 0.0, 1000.0));
  c.alpha_warmup = BALLAST_TRY(spec.take_count("alpha_warmup", total_steps, 0, kLongestWarmup));
  c.beta3_warmup = BALLAST_TRY(spec.take_count("beta3_warmup", total_steps, 0, kLongestWarmup));
  return c;
}

}  // namespace

Result<OptimizerConfig> parse_optimizer(std::string_view text, int64_t total_steps) {
  StrategySpec spec = BALLAST_TRY(StrategySpec::parse(text, "--optimizer"));
  OptimizerConfig c;
  if (spec.kind() == "adamw") {
    c = BALLAST_TRY(take_common(spec, c, 0));
  } else if (spec.kind() == "ademamix") {
    c = BALLAST_TRY(take_ademamix(spec, total_steps));
  } else if (spec.kind() == "stable_adamw") {
    c.kind = OptimizerKind::stable_adamw;
    c.beta2 = 0.99;
    c.eps = 1e-6;
    // Its square is a divisor in f32.
    c = BALLAST_TRY(take_common(spec, c, 1e-15));
  } else {
    return usage_error(fmt::format("--optimizer: '{}' is not built", spec.kind()), "",
                       "accepted: adamw, ademamix, stable_adamw");
  }
  BALLAST_TRY(spec.finish());
  return c;
}

std::string OptimizerConfig::spec() const {
  const char* names[] = {"adamw", "ademamix", "stable_adamw"};
  std::string text = fmt::format("{}:beta1={},beta2={},eps={},decay={}",
                                 names[static_cast<int>(kind)], beta1, beta2, eps, decay);
  if (has_slow_moment())
    text += fmt::format(",beta3={},alpha={},alpha_warmup={},beta3_warmup={}", beta3, alpha,
                        alpha_warmup, beta3_warmup);
  if (state == Dtype::bf16) text += ",state=bf16";
  return text;
}

OptimizerStep OptimizerConfig::at(int64_t t) const {
  OptimizerStep step;
  step.kind = kind;
  step.beta1 = beta1;
  step.beta2 = beta2;
  step.eps = eps;
  step.weight_decay = decay;
  step.t = t;
  if (has_slow_moment()) {
    step.alpha = ademamix_alpha(alpha, t, alpha_warmup);
    step.beta3 = ademamix_beta3(beta1, beta3, t, beta3_warmup);
  }
  return step;
}

double ademamix_alpha(double alpha, int64_t t, int64_t warmup) {
  if (t >= warmup) return alpha;
  return alpha * static_cast<double>(t) / static_cast<double>(warmup);
}

double ademamix_beta3(double beta1, double beta3, int64_t t, int64_t warmup) {
  if (t >= warmup) return beta3;
  const double share = static_cast<double>(t) / static_cast<double>(warmup);
  const double life = (1 - share) * half_life(beta1) + share * half_life(beta3);
  return std::pow(0.5, 1 / (life + 1));
}

std::vector<OptimizerRange> ratio_ranges(const ParamTable& table) {
  const std::vector<OptimizerRange> groups = table.optimizer_ranges();
  std::vector<OptimizerRange> cut;
  size_t group = 0;
  for (const ParamSpec& spec : table.specs) {
    if (spec.role == ParamRole::state) continue;
    while (groups[group].end <= spec.flat_begin) ++group;
    const auto first = static_cast<int64_t>(cut.size());
    for (int64_t at = spec.flat_begin; at < spec.flat_end();) {
      OptimizerRange range = groups[group];
      range.begin = at;
      range.end = std::min(spec.flat_end(), (at / kFlatBlock + 1) * kFlatBlock);
      range.ratio.entry = static_cast<int64_t>(cut.size());
      range.ratio.tensor_elements = spec.elements();
      at = range.end;
      cut.push_back(range);
    }
    for (auto range = cut.begin() + first; range != cut.end(); ++range) {
      range->ratio.tensor_begin = first;
      range->ratio.tensor_end = static_cast<int64_t>(cut.size());
    }
  }
  return cut;
}

}  // namespace ballast
