// A tiny model with recognisable weights and moments, and runs made of it, for checkpoint tests and
// the golden files.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/rng.h"
#include "libcore/checkpoint/store.h"
#include "libcore/io/file_system.h"

namespace ballast {

inline ModelConfig tiny_config() {
  ModelConfig config;
  config.vocab_size = 40;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 8;
  config.max_position_embeddings = 64;
  config.tie_word_embeddings = true;
  config.bos_token_id = 0;
  config.eos_token_id = 1;
  return config;
}

// Weights and moments that depend on `seed` and the element; padding is zero.
struct TinyState {
  explicit TinyState(uint64_t seed, const ModelConfig& config = tiny_config())
      : table(make_param_table(config)) {
    const auto size = static_cast<size_t>(table.flat_size);
    for (auto* buffer : {&master, &m, &v}) buffer->assign(size, 0.0f);
    for (const ParamSpec& spec : table.specs) {
      for (int64_t i = spec.flat_begin; i < spec.flat_end(); ++i) {
        const auto at = static_cast<size_t>(i);
        master[at] = static_cast<float>(random_normal(seed, 1, at));
        m[at] = static_cast<float>(1e-3 * random_normal(seed, 2, at));
        v[at] = static_cast<float>(1e-6 * random_uniform(seed, 3, at));
      }
    }
  }
  FlatState flat() const { return {master.data(), m.data(), v.data()}; }
  bool operator==(const TinyState& other) const {
    return master == other.master && m == other.m && v == other.v;
  }
  ParamTable table;
  std::vector<float> master, m, v;
};

inline TrainState tiny_train_state(int64_t step) {
  TrainState state;
  state.step = step;
  state.tokens = step * 256;
  state.samples = step * 8;
  state.tokens_trained = step * 256 - 256;
  state.optimizer_steps = step - 1;
  state.skip_ranges = {{16, 24}};
  state.clipper = {{"mean", 0.1 + 0.2}, {"variance", 1.0 / 3.0}, {"count", 7}};
  state.guard = {{"loss", {5e-324, 1.7976931348623157e308}}, {"norm", "NaN"}};
  state.config = {{"model", "tiny"}, {"lr", 3e-4}};
  state.environment = {{"isa", "any"}};
  return state;
}

inline SaveOptions tiny_options() {
  SaveOptions options;
  options.tokenizer =
      "{\"added_tokens\":[{\"id\":0,\"content\":\"<s>\"},{\"id\":1,\"content\":\"</s>\"}],"
      "\"model\":{}}\n";
  return options;
}

// Saves the state whose seed is `step`.
inline Result<SavedCheckpoint> save_tiny(FileSystem& fs, const std::string& run, int64_t step,
                                         const SaveOptions& options = tiny_options(),
                                         int64_t segment = 0) {
  const TinyState tiny(static_cast<uint64_t>(step));
  TrainState state = tiny_train_state(step);
  state.segment = segment;
  return save_checkpoint(fs, run, tiny_config(), tiny.table, tiny.flat(), state, options);
}

inline Result<LoadedCheckpoint> load_tiny(FileSystem& fs, const std::string& path,
                                          TinyState& into) {
  return load_checkpoint(fs, path, into.table, {into.master.data(), into.m.data(), into.v.data()});
}

}  // namespace ballast
