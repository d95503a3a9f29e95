// ModelConfig: what a Hugging Face config.json says of a LLaMA-family model, checked. What that
// file cannot say stands under its key "ballast" (versioned; none is defined for version 1 yet).
// Keys that could change the computation and are not built (biases, dropout, other activations,
// anything unknown) are refused by name. Pure; errors are kind usage with the key and what is
// accepted.
#pragma once

#include <cstdint>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

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
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  int64_t bos_token_id = -1;  // -1: none
  int64_t eos_token_id = -1;
  int64_t pad_token_id = -1;

  // Rows of the embedding in memory: vocab_size rounded up to 128. The extra rows are masked, never
  // saved or counted.
  int64_t padded_vocab() const { return (vocab_size + 127) / 128 * 128; }
  int64_t q_rows() const { return num_attention_heads * head_dim; }
  int64_t kv_rows() const { return num_key_value_heads * head_dim; }

  bool operator==(const ModelConfig&) const = default;
};

Result<ModelConfig> parse_model_config(const Json& json, const std::string& where);

// config.json that Hugging Face's LlamaForCausalLM (v4 and v5) and parse_model_config() read back
// to the same config.
Json to_hugging_face_config(const ModelConfig& config);

// The name of the first field that differs, with both values ("hidden_size: 256 here, 512 there");
// "" when equal.
std::string difference(const ModelConfig& here, const ModelConfig& there);

// A shape by name ("demo-3m", "llama-14m", ...); kind usage with the list of names otherwise.
Result<ModelConfig> preset_config(const std::string& name);
std::string preset_names();

}  // namespace ballast
