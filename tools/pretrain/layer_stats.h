// Statistics of every layer from one pass over a micro-batch: what a `layers` record of the trace
// holds (ballast-trace(5)). It watches the model's blocks, so that nothing is computed twice but
// the branches' outputs, which the model adds into the residual stream at once. The minimum of the
// attention's entropy is taken on the host from up to 16 queries of the first sequence, spread
// evenly: per head the mean of -sum p log p (nats) over those that see at least two keys, then the
// smallest head. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/io/json.h"
#include "libcore/model/model.h"
#include "libcore/tensor/arena.h"

namespace ballast {

class LayerStats final : public BlockProbe {
 public:
  // Takes its buffers from `arena`; with a counting arena it may only be asked for its plan.
  LayerStats(Backend& backend, Arena& arena, const ModelConfig& config, int64_t micro_batch,
             int64_t seq_len);

  void after_forward(const BlockContext& c, const Saved& s, const Tensor& out) override;
  void input_gradient(const BlockContext& c, BlockMatrix matrix, const Tensor& dx) override;

  // After the pass: arrays by layer, flat.
  Json collect();

 private:
  // Rows of a layer in `sums_`.
  enum Row : int64_t {
    kWeight = 0,
    kInput = 4,
    kOutput = 8,
    kGradient = 12,
    kResidual = 16,
    kRows
  };
  void add(int64_t layer, int64_t row, const Tensor& x);
  void branch_output(int64_t layer, BlockMatrix matrix, const SavedBranch& branch,
                     const Tensor& out, const Tensor& residual);
  double smallest_entropy(const BlockContext& c, const Tensor& qkv);

  Backend& backend_;
  int64_t layers_;
  int64_t seq_len_;
  Tensor sums_;                    // (layers * kRows, kStatsCols) f64
  Tensor max_logit_;               // (layers, heads)
  Tensor branch_;                  // (N, H)
  Tensor first_;                   // (T, qkv_cols) f32: q, k, v of the first sequence
  std::vector<int64_t> elements_;  // of each row of sums_
  std::vector<double> entropy_;
  std::vector<float> qkv_;  // host copy of the first sequence
  std::vector<int32_t> doc_start_;
};

}  // namespace ballast
