// This rank's replica of the model on its device: weights, gradients, optimizer states,
// activations, all carved from one arena. It computes passes over batches; the ranks' gradients are
// summed while the backward pass goes on. What to do with a gradient is the ShardedOptimizer's
// part, when and whether the laws'. Errors of the device are thrown. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "libcore/data/batch.h"
#include "libcore/model/flat_cut.h"
#include "libcore/model/model.h"
#include "tools/pretrain/buffers.h"
#include "tools/pretrain/gradient_sum.h"
#include "tools/pretrain/layer_stats.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/weight_gather.h"
#include "tools/pretrain/world.h"

namespace ballast {

// One pass over this rank's share of a step's batch.
struct Pass {
  const HostBatch* batch = nullptr;
  int64_t valid = 0;                            // unmasked labels of all ranks
  BlockProbe* probe = nullptr;                  // watches the first micro-batch; null: nobody does
  std::function<void()> before_sum, after_sum;  // may change this rank's gradient, and the sum
};

class Engine {
 public:
  // All must outlive the engine.
  Engine(World& world, const RunConfig& config, RunClock& clock);

  const ParamTable& table() const { return table_; }
  const FlatCut& cut() const { return cut_; }
  // What of the flat index buffers() holds.
  const ShardLayout& layout() const { return layout_; }
  const TrainBuffers& buffers() const { return buffers_; }
  Backend& backend() { return backend_; }
  Model& model() { return *model_; }
  // Null: not wanted, or not here.
  LayerStats* layer_stats() { return layer_stats_.get(); }
  int64_t slots() const { return gradient_sum_->slots(); }
  // The first element of the flat index in this rank's own gradient, while `before_sum` runs.
  Tensor first_gradient() const { return gradient_sum_->places().at({0, 1}); }
  // The weights of which every rank has a copy; with ZeRO-3 the one-dimensional ones.
  std::vector<Tensor> replicated_weights() const;
  // All weights into host memory, by the flat index, where `host` is not null. Collective.
  void collect_weights(float* host);
  // Whether a pass takes all ranks.
  bool passes_are_collective() const { return weight_gather_ != nullptr; }
  // Memory that is free between steps, a multiple of kFlatBlock of f32.
  Tensor scratch() const { return gradient_sum_->scratch(); }

  // The first weights of a run, its states zero.
  void initialise();
  // What this rank keeps of the mean loss's gradients in buffers().grads, loss and log-sum-exp rows
  // in theirs.
  void forward_backward(const Pass& pass);
  // Losses of one micro-batch's positions; valid until the next call. Collective where passes are.
  std::span<const float> forward(const HostBatch& batch);

 private:
  // Queues the copies of one micro-batch; the pass that reads it is queued between the two calls.
  const MicroBatch& upload(const HostBatch& batch, int64_t micro, int64_t valid);
  void uploaded_is_read();
  void finish_sum();
  int64_t micro_rows() const { return config_.micro_batch * config_.seq_len; }

  World& world_;
  const RunConfig& config_;
  RunClock& clock_;
  Backend& backend_;
  ParamTable table_;
  FlatCut cut_;
  ShardLayout layout_;
  std::unique_ptr<Arena> arena_;
  TrainBuffers buffers_;
  std::unique_ptr<WeightGather> weight_gather_;  // null: all weights stand here
  std::unique_ptr<GradientSum> gradient_sum_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<LayerStats> layer_stats_;
  size_t input_ = 0;                  // of buffers_.inputs: which was filled last
  std::array<EventId, 2> read_ = {};  // the pass that read each has run
  std::vector<int32_t> labels_;
  std::vector<float> host_;  // weights of the labels, or loss rows, of a micro-batch
};

}  // namespace ballast
