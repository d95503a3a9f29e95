// ModelConfig: what a Hugging Face config.json says of a LLaMA, Apertus, Qwen3, Arcee or Nemotron
// model (dense, full rotary heads), checked.
// What that file cannot say stands under its key "ballast" (switches.h). A model with switches has
// model_type "ballast", so that no other reader takes it for a plain LLaMA. Keys that could change
// the computation and are not built (biases, dropout, experts, anything unknown) are refused by
// name. Pure; errors are kind usage with the key and what is accepted.
#pragma once

#include <cstdint>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/json.h"
#include "libcore/model/switches.h"

namespace ballast {

// Llama 3's stretching of RoPE: with wavelength l of an inverse frequency w, w stays where
// l < original / high, becomes w / factor where l > original / low, and is interpolated between.
struct RopeScaling {
  double factor = 0;  // 0: none
  double low = 1, high = 4;
  int64_t original = 8192;
  bool operator==(const RopeScaling&) const = default;
};

struct ModelConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  int64_t bos_token_id = -1;  // -1: none
  int64_t eos_token_id = -1;
  int64_t pad_token_id = -1;
  Switches switches;

  // Rows of the embedding in memory: vocab_size rounded up to 128. The extra rows are masked, never
  // saved or counted.
  int64_t padded_vocab() const { return (vocab_size + 127) / 128 * 128; }
  int64_t q_rows() const { return num_attention_heads * head_dim; }
  int64_t kv_rows() const { return num_key_value_heads * head_dim; }
  int64_t fc1_rows() const { return (switches.gated() ? 2 : 1) * intermediate_size; }
  // How much wider than the muP base; 1 under the standard parametrisation.
  double mup_ratio() const {
    return switches.mup_base_width > 0 ? static_cast<double>(hidden_size) / switches.mup_base_width
                                       : 1.0;
  }
  // Angle per position of pair j of a head, j < head_dim / 2.
  double rope_frequency(int64_t j) const;
  // Factor on q.k before the cap and the softmax.
  double score_scale() const;

  bool operator==(const ModelConfig&) const = default;
};

Result<ModelConfig> parse_model_config(const Json& json, const std::string& where);

// config.json that parse_model_config() reads back to the same config; without switches it is that
// of Hugging Face's LlamaForCausalLM (v4 and v5).
Json to_hugging_face_config(const ModelConfig& config);

// The name of the first field that differs, with both values ("hidden_size: 256 here, 512 there");
// "" when equal.
std::string difference(const ModelConfig& here, const ModelConfig& there);

}  // namespace ballast
