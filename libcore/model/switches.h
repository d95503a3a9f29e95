// The stability switches of a model: what a Hugging Face config.json cannot say. They stand under
// its key "ballast" (versioned, unknown keys refused), and `pretrain --stability` writes them
// there. All combine freely. Methods and constants: Rybakov et al., "Methods of improving LLM
// training stability" (arXiv 2410.16682), unless a comment names another source. Pure; errors are
// kind usage with the key and what is accepted.
#pragma once

#include <cstdint>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/json.h"
#include "libcore/tensor/backend.h"

namespace ballast {

enum class NormKind : uint8_t {
  rms,    // RMSNorm: a gain (Zhang & Sennrich 2019)
  layer,  // LayerNorm: a gain and a bias (Ba et al. 2016)
};
enum class NormPlacement : uint8_t {
  pre,   // x + f(norm(x)), and a norm before the head
  post,  // norm(x + f(x)) and no other norm (Vaswani et al. 2017)
};

struct Switches {
  NormKind norm = NormKind::rms;
  NormPlacement placement = NormPlacement::pre;
  Activation activation = Activation::swiglu;
  // Every matrix of a block (qkv, proj, fc1, fc2; qkv and a gated fc1 as one each) is used as
  // gain / sigma(W) * W with a learned gain (Zhai et al. 2023). The spectral norm sigma = v'Wu
  // follows one power iteration per update; u and v are state and stand in checkpoints. In the
  // backward pass u and v are constants and sigma is not: dW = gain/sigma (G - <G,W>/sigma v u')
  // for the gradient G of the scaled matrix, dgain = <G,W>/sigma.
  bool sigma_reparam = false;
  double soft_temp = 1.0;  // factor on the attention scores
  double soft_cap = 0.0;   // cap * tanh(score / cap), before the mask; 0: none
  // Probabilities become clip((zeta - gamma) p + gamma, 0, 1) and are not normalised again.
  bool soft_clip = false;
  double soft_clip_zeta = 1.03;
  double soft_clip_gamma = -0.03;
  double layerscale = 0.0;  // initial gain per channel of both branches; 0: none (Touvron 2021)
  bool qk_norm = false;     // queries and keys, each head over head_dim, before RoPE
  bool qkv_norm = false;    // values too, and no norm in front of qkv
  bool fc_norm = false;     // the outputs of proj and fc2
  // muP (Yang et al. 2022): the hidden size whose hyperparameters are meant; 0: standard
  // parametrisation. Scores are divided by head_dim instead of its root, times
  // sqrt(mup_base_head_dim).
  double mup_base_width = 0.0;
  double mup_base_head_dim = 64.0;

  bool gated() const { return activation == Activation::swiglu; }
  bool norms_heads() const { return qk_norm || qkv_norm; }
  bool operator==(const Switches&) const = default;
};

// The object under "ballast"; only keys that differ from the default, so that a plain model has
// none (an empty object).
Json switches_json(const Switches& switches);
Result<Switches> parse_switches(const Json& json, const std::string& where);

// A list such as "qk_norm,soft_cap=50,layerscale" applied to `base`. Values may be left out where
// the paper has one.
Result<Switches> apply_switches(const Switches& base, const std::string& list,
                                const std::string& flag);
std::string switch_names();  // for messages

}  // namespace ballast
