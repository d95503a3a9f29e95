// Everything a run keeps on the device besides activations, carved from one arena; run over a
// counting arena it is the memory plan.
#pragma once

#include <vector>

#include "libcore/model/params.h"
#include "libcore/tensor/arena.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

struct TrainBuffers {
  Tensor params, grads, m, v;      // (1, flat_size) f32
  Tensor norm_blocks, block_sums;  // (1, blocks), (blocks, 3) f64
  Tensor tokens, labels, weight;   // (1, N) of a micro-batch
  Tensor doc_start;                // (B, T)
  Tensor loss_rows, lse_rows;      // (1, all rows of a step) f32
};

// Of one of `ranks` ranks.
inline TrainBuffers take_buffers(Arena& arena, const ParamTable& table, const RunConfig& config,
                                 int ranks) {
  const int64_t rows = config.micro_batch * config.seq_len, blocks = table.flat_size / kFlatBlock;
  TrainBuffers b;
  for (Tensor* flat : {&b.params, &b.grads, &b.m, &b.v})
    *flat = arena.take(Dtype::f32, 1, table.flat_size);
  b.norm_blocks = arena.take(Dtype::f64, 1, blocks);
  b.block_sums = arena.take(Dtype::f64, blocks, 3);
  b.tokens = arena.take(Dtype::i32, 1, rows);
  b.labels = arena.take(Dtype::i32, 1, rows);
  b.weight = arena.take(Dtype::f32, 1, rows);
  b.doc_start = arena.take(Dtype::i32, config.micro_batch, config.seq_len);
  b.loss_rows = arena.take(Dtype::f32, 1, config.batch_tokens / ranks);
  b.lse_rows = arena.take(Dtype::f32, 1, config.batch_tokens / ranks);
  return b;
}

// What a step changes for good: with the counters, a state to come back to.
inline std::vector<Tensor> kept_tensors(const TrainBuffers& b) { return {b.params, b.m, b.v}; }

inline ModelShape model_shape(const RunConfig& config) {
  return {config.micro_batch, config.seq_len, config.recompute, true};
}

}  // namespace ballast
