// The model over Backend: embed -> blocks -> norm -> head -> loss, and its mirror. What the
// config's switches change stands in parts.h and sigma.h. Written once for every device. All memory
// is taken from one arena by a plan made beforehand. Parameters (compute type) and gradients are
// flat buffers in the order of the ParamTable. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "libcore/model/block.h"
#include "libcore/model/config.h"
#include "libcore/model/params.h"
#include "libcore/model/part_store.h"
#include "libcore/model/sigma.h"
#include "libcore/tensor/arena.h"
#include "libcore/tensor/backend.h"

namespace ballast {

// One micro-batch on the device: B sequences of T tokens, N = B*T.
struct MicroBatch {
  Tensor tokens;     // (1, N) i32
  Tensor labels;     // (1, N) i32
  Tensor weight;     // (1, N) f32: mask / count of unmasked labels of the whole step
  Tensor doc_start;  // (B, T) i32
};

struct ModelShape {
  int64_t micro_batch = 1;  // B
  int64_t seq_len = 0;      // T
  Recompute recompute = Recompute::none;
  bool training = true;  // false: no gradients, activations of one block only
  bool resident = true;  // false: weights of a block stand only while it is computed
};

class Model {
 public:
  // Takes all activations from `arena`; with a counting arena it may only be asked for its plan.
  Model(Backend& backend, Arena& arena, const ModelConfig& config, const ParamTable& table,
        const ModelShape& shape);

  // Where the elements of the flat index lie: a flat buffer (1, flat_size), or several places.
  // Gradients may be nowhere when not training.
  void bind(const FlatPlaces& params, const FlatPlaces& grads);
  // Who is asked during passes. Null: all stands where it is bound. Not owned.
  struct Stores {
    WeightStore* weights = nullptr;
    GradientStore* gradients = nullptr;
  };
  // Returns whom it asked before.
  Stores serve(const Stores& stores) { return std::exchange(stores_, stores); }
  // Weights have new content from outside: once after initialising or loading.
  void prepare_weights();
  // The optimizer has applied an update: what the model does once per update (power iterations,
  // into the bound parameters), then prepare_weights().
  void after_update();

  // Loss rows (1, N) f32, nats, 0 where masked, and log-sum-exp rows; gradients accumulate into the
  // bound buffer.
  void forward_backward(const MicroBatch& batch, const Tensor& loss_rows, const Tensor& lse_rows,
                        float z_loss);
  void forward(const MicroBatch& batch, const Tensor& loss_rows, const Tensor& lse_rows);
  // logits (N, padded vocabulary) of the batch; `out` is the caller's.
  void logits(const MicroBatch& batch, const Tensor& out);
  // Only those of some of the N rows, into the first rows.size() rows of `out`.
  void logits_of_rows(const MicroBatch& batch, std::span<const int64_t> rows, const Tensor& out);

  // Shows every block of the following passes to `probe`; null: to none. Not owned.
  void watch(BlockProbe* probe) { probe_ = probe; }

  const ModelConfig& config() const { return config_; }

 private:
  BlockContext context(const MicroBatch& batch, int64_t layer);
  NormParams norm_params(const FlatPlaces& flat, const std::string& name) const;
  BlockParams block_params(const FlatPlaces& flat, int64_t layer) const;
  // Make the weights of a part stand, with what ops read instead of them.
  void want_embedding();
  void want_block(size_t layer);
  void want_head();
  bool comes_new(int64_t part, int64_t& known);
  void prepare_all();
  void prepare_block(size_t layer);
  void open_gradients(int64_t part) const {
    if (stores_.gradients != nullptr) stores_.gradients->open(part);
  }
  void complete_gradients(int64_t part) const {
    if (stores_.gradients != nullptr) stores_.gradients->complete(part);
  }
  void run_blocks(const MicroBatch& batch);
  void final_norm(const MicroBatch& batch);
  // muP: logits of a wide model are divided by its width ratio.
  float logit_scale() const { return static_cast<float>(1.0 / config_.mup_ratio()); }
  void head(const MicroBatch& batch, const Tensor& loss_rows, const Tensor& lse_rows, float z_loss,
            bool gradient);
  void fill_rope_tables();

  Backend& backend_;
  ModelConfig config_;
  const ParamTable& table_;
  ModelShape shape_;
  Types types_;
  int64_t rows_ = 0;                        // N
  int64_t chunk_rows_ = 0;                  // rows of logits alive at a time
  int64_t embed_part_ = 0, head_part_ = 0;  // names of the parts (part_store.h)
  std::vector<int64_t> block_parts_;
  int64_t head_content_ = 0;  // numbers of what was prepared (WeightStore::want); 0: nothing
  std::vector<int64_t> block_contents_;
  bool has_gradients_ = false;
  Tensor embed_, head_;      // weights
  Tensor dembed_, dhead_;    // their gradients
  NormParams norm_, dnorm_;  // in front of the head; none in a post-norm model
  std::vector<BlockParams> blocks_, dblocks_;
  std::vector<BlockMatrices> stored_;  // of blocks_, in front of sigma-reparametrisation
  std::vector<Saved> saved_;           // one per block, or one for all when not training
  BlockScratch scratch_;
  std::optional<SigmaMatrices> sigma_;
  Tensor x_last_, y_last_;  // before and after the final norm
  NormStats last_;
  Tensor dx_;      // gradient of the residual stream
  Tensor logits_;  // (chunk_rows_, padded vocabulary)
  Tensor cos_, sin_;
  Tensor max_logit_;  // (1, NH), filled while a probe watches
  BlockProbe* probe_ = nullptr;
  Stores stores_;
};

// Parameter count N without embeddings and floating-point operations of one token, forward and
// backward: 6 per matrix parameter used (the head included, the embedding look-up not) plus causal
// attention 6 * L * NH * D * T (half of the full square; recomputation is not counted). The
// convention of `mfu` in traces.
double train_flops_per_token(const ModelConfig& config, int64_t seq_len);

}  // namespace ballast
