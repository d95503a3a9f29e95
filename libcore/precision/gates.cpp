#include "libcore/precision/gates.h"

#include <algorithm>

namespace ballast {
namespace {

const Gate* find_gate(const Limits& limits, const std::string& id) {
  for (const Gate& gate : limits.gates) {
    if (gate.id == id) return &gate;
  }
  return nullptr;
}

class Judge {
 public:
  Judge(const std::string& tensor, const Limits& limits) : tensor_(tensor), limits_(limits) {}

  void judge(const char* id, const std::string& recipe, double value) {
    const Gate* gate = find_gate(limits_, id);
    BALLAST_CHECK(gate != nullptr);
    if (value > gate->fail) {
      add({Level::fail, gate, tensor_, recipe, value, gate->fail});
    } else if (value > gate->warn) {
      add({Level::warn, gate, tensor_, recipe, value, gate->warn});
    } else {
      add({Level::pass, gate, tensor_, recipe, value, std::min(gate->warn, gate->fail)});
    }
  }
  // Two different shares, each with its own limit.
  void judge_spans(const TensorSignals& signals) {
    const Gate* gate = find_gate(limits_, "G18");
    BALLAST_CHECK(gate != nullptr);
    const double wide = signals.share_of_spans_from(static_cast<int>(limits_.warn_binades));
    const double wider = signals.share_of_spans_from(static_cast<int>(limits_.fail_binades));
    if (wider > gate->fail) {
      add({Level::fail, gate, tensor_, "", wider, gate->fail});
    } else {
      add({wide > gate->warn ? Level::warn : Level::pass, gate, tensor_, "", wide, gate->warn});
    }
  }
  std::vector<Verdict> take() { return std::move(verdicts_); }

 private:
  void add(Verdict verdict) { verdicts_.push_back(std::move(verdict)); }
  const std::string& tensor_;
  const Limits& limits_;
  std::vector<Verdict> verdicts_;
};

bool is_block(Granularity granularity) {
  return granularity == Granularity::block_1x128 || granularity == Granularity::block_128x128;
}

// Dimensions of the matrix product that are not whole multiples of what the recipe's GEMM takes.
int misaligned_dimensions(const std::vector<int64_t>& shape, const Recipe& recipe) {
  const int64_t unit = is_block(recipe.granularity) ? 128 : 16;
  int count = 0;
  for (size_t i = shape.size() - 2; i < shape.size(); ++i) {
    if (shape[i] % unit != 0) ++count;
  }
  return count;
}

void judge_recipe(Judge& judge, const std::vector<int64_t>& shape, const RecipeSignals& signals,
                  bool enough) {
  const std::string name = signals.recipe.name();
  judge.judge("G3", name, signals.clip_frac);
  if (enough && signals.recipe.format == Fp8Format::e4m3) {
    judge.judge("G4", name, signals.underflow_frac);
  }
  if (enough) judge.judge("G7", name, signals.loss_db);
  judge.judge("G19", name, misaligned_dimensions(shape, signals.recipe));
}

}  // namespace

Role role_of(const std::string& name, const std::vector<int64_t>& shape) {
  if (shape.size() < 2) return Role::vector;
  for (const char* word : {"embed", "wte.", "wpe.", "lm_head", "token_embd"}) {
    if (name.find(word) != std::string::npos) return Role::embedding;
  }
  return name == "output.weight" ? Role::embedding : Role::linear;
}

const char* name_of(Role role) {
  if (role == Role::linear) return "linear";
  return role == Role::embedding ? "embedding" : "vector";
}

const char* name_of(Level level) {
  if (level == Level::pass) return "pass";
  return level == Level::warn ? "warn" : "fail";
}

Limits default_limits() {
  const std::string traces = "amax and clip counts of a training trace";
  const std::string gradients = "gradients";
  const std::string pairs = "the same batch in FP8 and bf16";
  const std::string run = "a training trace";
  Limits limits;
  limits.gates = {
      {"G1", "non_finite", kNoLimit, 0, "any: a saturating cast hides Inf", ""},
      {"G2", "clip_frac", 1e-5, 1e-3, "FP8-LM 0.001 %; fail proposed", traces},
      {"G3", "clip_frac", 0, 1e-6, "zero by construction for current scales", ""},
      {"G4", "underflow_frac", 0.005, 0.05, "proposed; Gauss 0.001 %, heavy tails 0.6-4.5 %", ""},
      {"G5", "underflow_frac", 0.01, 0.10, "proposed", gradients},
      {"G6", "underflow_frac", 0.15, 0.40, "Nemotron 3 excluded layers at 40 %", "an NVFP4 recipe"},
      {"G7", "loss_db", 3, 6, "proposed; against bell-shaped data in the same format", ""},
      {"G8", "gain", 1e-3, 1e-2, "proposed; MX instabilities", gradients},
      {"G9", "cosine", 0.01, 0.05, "proposed", pairs},
      {"G10", "gemm_difference", 1e-3, 5e-3, "DeepGEMM 7e-4; fail proposed", pairs},
      {"G11", "kurtosis", 100, kNoLimit, "proposed, the level alone; growth needs two files", ""},
      {"G12", "log2_amax_slope", 0.5, kNoLimit, "proposed", run},
      {"G13", "swiglu_alignment", 0.5, 0.8, "proposed; Fishman et al.", "pairs of tensors"},
      {"G14", "grad_norm_p99_to_median", 3, 6, "proposed; Apertus", run},
      {"G15", "loss_gap", 0.005, 0.01, "Megatron-LM; Apertus", pairs},
      {"G16", "frozen_scale_steps", 1, 16, "Transformer Engine's update rule", traces},
      {"G17", "rank_scale_mismatch", kNoLimit, 0, "any", "scales of every rank"},
      {"G18", "block_span_share", 0.03, 0.05,
       "proposed; bell-shaped blocks reach 15 binades in 0.8 %", ""},
      {"G19", "misaligned_dims", kNoLimit, 0, "cuBLASLt: multiples of 16, of 128 for blocks", ""},
      {"G20", "lost_updates", 0.50, 0.90, "proposed", "two checkpoints"},
  };
  return limits;
}

std::vector<Verdict> judge_tensor(const std::string& name, const std::string& dtype,
                                  const std::vector<int64_t>& shape, const TensorSignals& signals,
                                  const Limits& limits) {
  Judge judge(name, limits);
  judge.judge("G1", "", static_cast<double>(signals.values.n_nan + signals.values.n_inf));
  const bool stored_as_fp8 = dtype.starts_with("F8_");
  if (role_of(name, shape) != Role::linear || signals.recipes.empty()) return judge.take();
  const bool enough = signals.values.n_nonzero() >= limits.min_values;
  for (const RecipeSignals& recipe : signals.recipes) judge_recipe(judge, shape, recipe, enough);
  if (enough) judge.judge("G11", "", signals.values.kurtosis());
  // What was cast already has lost its span.
  if (enough && !stored_as_fp8) judge.judge_spans(signals);
  std::vector<Verdict> verdicts = judge.take();
  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const Verdict& a, const Verdict& b) { return a.gate < b.gate; });
  return verdicts;
}

}  // namespace ballast
