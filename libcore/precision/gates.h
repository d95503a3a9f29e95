// Gates: limits on the probe's signals, each with where its limit comes from. No published
// threshold predicts divergence with a known error rate, so most limits are proposals to be
// calibrated on recorded runs (--limits, ballast-precision-limits(5)), and every verdict names its
// origin. Of the twenty gates only those that a file of weights can answer are judged here; the
// others are listed with what they would need. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/precision/probe.h"

namespace ballast {

// What a tensor is for decides whether FP8 recipes cast it: only linear weights are. Told from the
// Hugging Face name and the rank.
enum class Role { linear, embedding, vector };
Role role_of(const std::string& name, const std::vector<int64_t>& shape);
const char* name_of(Role role);

enum class Level { pass, warn, fail };
const char* name_of(Level level);

inline constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct Gate {
  std::string id;          // "G4"
  std::string signal;      // "underflow_frac"
  double warn = kNoLimit;  // a value above it warns
  double fail = kNoLimit;
  std::string origin;  // of the limits
  std::string needs;   // what a file of weights lacks; empty for a gate that is judged here
};

struct Limits {
  std::vector<Gate> gates;    // G1 to G20
  int64_t min_values = 4096;  // finite non-zero ones; below it shares and moments say nothing
  double warn_binades = 15;   // of G18
  double fail_binades = 17;
};

Limits default_limits();
// Applies a limits file: {"v":1, "min_values":N, "gates":{"G4":{"warn":X,"fail":X,"origin":TEXT,
// "warn_binades":N, "fail_binades":N}}}, every key optional but v, null for no limit. Unknown keys,
// gates that cannot be judged and limits that are not numbers >= 0 are kind usage.
Result<void> apply_limits(std::string_view json, const std::string& where, Limits& limits);

struct Verdict {
  Level level = Level::pass;
  const Gate* gate = nullptr;  // in the Limits it was judged by
  std::string tensor;
  std::string recipe;  // empty when the gate looks at values alone
  double value = 0;
  double limit = kNoLimit;  // that was crossed, or the next one that was not
};

// Every gate that this tensor can answer, in the order of the gates. `signals.recipes` are those to
// judge; G1 is judged for any role, the others for linear weights.
std::vector<Verdict> judge_tensor(const std::string& name, const std::string& dtype,
                                  const std::vector<int64_t>& shape, const TensorSignals& signals,
                                  const Limits& limits);

}  // namespace ballast
