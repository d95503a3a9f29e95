// A run of a model that is shared out in several buckets of several layers each.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "kernels/open_backend.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

// 17 layers of four blocks of the flat index each.
inline RunConfig sharded_config(bool tied_embedding, int zero, int64_t micros, int ranks) {
  RunConfig c;
  c.model.vocab_size = 500;
  c.model.hidden_size = 32;
  c.model.intermediate_size = 64;
  c.model.num_hidden_layers = 17;
  c.model.num_attention_heads = c.model.num_key_value_heads = 2;
  c.model.head_dim = 16;
  c.model.max_position_embeddings = 16;
  c.model.tie_word_embeddings = tied_embedding;
  c.micro_batch = 1;
  c.seq_len = 16;
  c.batches = *BatchSchedule::parse(std::to_string(16 * micros * ranks), 16);
  c.typed.zero = zero;
  return c;
}

// The CPU backend of this build, one thread; may be called from several ranks at once.
inline std::unique_ptr<Backend> open_cpu() {
  static const int set = ::setenv("BALLAST_PLUGIN_DIR", BALLAST_BIN_DIR "/../lib", 0);
  BALLAST_CHECK(set == 0);
  return open_backend("cpu", {.threads = 1}).take_value();
}

}  // namespace ballast
