// Everything a run keeps on the device besides activations, carved from one arena; run over a
// counting arena it is the memory plan.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "libcore/model/flat_cut.h"
#include "libcore/model/model.h"
#include "libcore/model/params.h"
#include "libcore/tensor/arena.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

// Which runs of the flat index the buffers of a rank hold, by the stage of ZeRO: the optimizer's
// states are shared out from 1 on, gradients from 2 on, weights and their averages with 3. The last
// bucket, that of the one-dimensional parameters, is whole where the weights are concerned.
struct ShardLayout {
  FlatRuns owned;  // what this rank updates
  FlatRuns weights, gradients, states;
  // Where the one-dimensional parameters begin, if matrices are stored apart from them; else 0.
  int64_t border = 0;
  // Whether the run is of matrices that have values of bf16 only.
  bool rounded(const FlatRange& run) const { return run.end <= border; }
  // Runs of the index, cut where matrices end that stand apart.
  std::vector<FlatRange> cut_at_border(const FlatRuns& of) const {
    std::vector<FlatRange> runs;
    for (const FlatRange& run : of.runs()) {
      const bool both = run.begin < border && border < run.end;
      if (both) runs.push_back({run.begin, border});
      runs.push_back({both ? border : run.begin, run.end});
    }
    return runs;
  }
};
inline ShardLayout make_layout(const FlatCut& cut, int rank, int stage, int64_t flat_size,
                               bool bf16_params) {
  const FlatRuns whole({{0, flat_size}}), shard(cut.shard(rank));
  ShardLayout layout = {whole, whole, whole, whole,
                        bf16_params ? cut.buckets().back().range.begin : 0};
  if (stage >= 1) layout.owned = layout.states = shard;
  if (stage >= 2) layout.gradients = shard;
  if (stage < 3) return layout;
  std::vector<FlatRange> runs;
  for (const FlatBucket& bucket : cut.buckets()) runs.push_back(bucket.part(rank));
  runs.back() = cut.buckets().back().range;
  layout.weights = FlatRuns(std::move(runs));
  return layout;
}

struct TrainBuffers {
  Tensor params;                     // (1, n), as the layout says
  Tensor vectors;                    // (1, n) f32: the end of the weights, if matrices stand apart
  FlatPlaces weights;                // both of them
  Tensor grads;                      // (1, n) f32
  Tensor m, v, m2;                   // (1, n) of the optimizer's state type; m2: ademamix
  Tensor swa, ema;                   // (1, n) f32: averages of the weights
  Tensor ratio_sums;                 // (1, ratio_ranges) f64; stable_adamw
  Tensor norm_blocks, block_sums;    // (1, blocks), (blocks, 3) f64
  std::array<MicroBatch, 2> inputs;  // one is filled while the model reads the other
  Tensor loss_rows, lse_rows;        // (1, all rows of a step) f32
};

// The weights of a rank, which end with the whole last bucket.
inline void take_weights(Arena& arena, const RunConfig& config, const ShardLayout& layout,
                         TrainBuffers& b) {
  const FlatRange last = {layout.border, layout.weights.runs().back().end};
  const int64_t apart = layout.border > 0 ? last.size() : 0;
  b.params = arena.take(config.matrix_type(), 1, layout.weights.size() - apart);
  if (apart > 0) b.vectors = arena.take(Dtype::f32, 1, apart);
  int64_t at = 0;
  for (const FlatRange& run : layout.cut_at_border(layout.weights)) {
    const bool matrices = at < b.params.cols;
    b.weights.put(run, matrices ? cols_of(b.params, at, run.size()) : b.vectors);
    at += run.size();
  }
}

// The weights in the order of the index, without what a rank does not have.
inline std::vector<Tensor> weight_tensors(const TrainBuffers& b) {
  std::vector<Tensor> tensors = {b.params};
  if (b.vectors.cols > 0) tensors.push_back(b.vectors);
  return tensors;
}

// Of one of `ranks` ranks.
inline TrainBuffers take_buffers(Arena& arena, const ParamTable& table, const RunConfig& config,
                                 int ranks, const ShardLayout& layout) {
  const int64_t rows = config.micro_batch * config.seq_len, blocks = table.flat_size / kFlatBlock;
  TrainBuffers b;
  const int64_t weights = layout.weights.size(), states = layout.states.size();
  take_weights(arena, config, layout, b);
  b.grads = arena.take(Dtype::f32, 1, layout.gradients.size());
  const OptimizerConfig& optimizer = config.optimizer;
  for (Tensor* flat : {&b.m, &b.v}) *flat = arena.take(optimizer.state, 1, states);
  if (optimizer.has_slow_moment()) b.m2 = arena.take(optimizer.state, 1, states);
  if (optimizer.kind == OptimizerKind::stable_adamw)
    b.ratio_sums = arena.take(Dtype::f64, 1, static_cast<int64_t>(ratio_ranges(table).size()));
  if (config.averages.swa) b.swa = arena.take(Dtype::f32, 1, weights);
  if (config.averages.ema) b.ema = arena.take(Dtype::f32, 1, weights);
  b.norm_blocks = arena.take(Dtype::f64, 1, blocks);
  b.block_sums = arena.take(Dtype::f64, blocks, 3);
  for (MicroBatch& input : b.inputs) {
    input.tokens = arena.take(Dtype::i32, 1, rows);
    input.labels = arena.take(Dtype::i32, 1, rows);
    input.weight = arena.take(Dtype::f32, 1, rows);
    input.doc_start = arena.take(Dtype::i32, config.micro_batch, config.seq_len);
  }
  b.loss_rows = arena.take(Dtype::f32, 1, config.batches.largest() / ranks);
  b.lse_rows = arena.take(Dtype::f32, 1, config.batches.largest() / ranks);
  return b;
}

// What a step changes for good: with the counters, a state to come back to.
inline std::vector<Tensor> kept_tensors(const TrainBuffers& b) {
  std::vector<Tensor> kept = {b.params, b.m, b.v};
  for (const Tensor& tensor : {b.vectors, b.m2, b.swa, b.ema})
    if (tensor.cols > 0) kept.push_back(tensor);
  return kept;
}

inline ModelShape model_shape(const RunConfig& config, int ranks) {
  return {.micro_batch = config.micro_batch,
          .seq_len = config.seq_len,
          .recompute = config.recompute,
          .resident = config.zero_stage(ranks) < 3};
}

}  // namespace ballast
