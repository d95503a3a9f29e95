// One LLaMA block over Backend: forward, and its mirrored backward below it. Activations needed by
// the backward pass live in a Saved table; what a recompute level drops is made again from what it
// keeps, by the same calls, so gradients have the same bits at every level.
#pragma once

#include <cstdint>

#include "libcore/model/config.h"
#include "libcore/tensor/arena.h"
#include "libcore/tensor/backend.h"

namespace ballast {

// What is made again in the backward pass.
enum class Recompute : uint8_t {
  none,   // nothing
  norms,  // both norms' outputs and the activation's output
  block,  // everything inside the block: only its input is kept
};

// Types of one run: activations (and the weights that ops read), and statistics, loss rows and
// parameter gradients. The float64 reference has both in f64.
struct Types {
  Dtype activation = Dtype::f32;
  Dtype statistic = Dtype::f32;
};
Types types_of(const Backend& backend);

// Weights of a block or their gradients, views of a flat buffer.
struct BlockParams {
  Tensor attention_norm;  // (1, H)
  Tensor qkv;             // (NH*D + 2*NKV*D, H)
  Tensor proj;            // (H, NH*D)
  Tensor mlp_norm;        // (1, H)
  Tensor fc1;             // (2I, H), rows [gate|up]
  Tensor fc2;             // (H, I)
};

// Activations of one block for N = B*T rows.
struct Saved {
  Tensor x;             // (N, H) input: the residual stream
  Tensor y1, rstd1;     // (N, H), (1, N): first norm
  Tensor qkv;           // (N, qkv_cols) after RoPE
  Tensor o, lse;        // (N, NH*D), (N, NH)
  Tensor mid;           // (N, H) residual stream after attention
  Tensor y2, rstd2;     // second norm
  Tensor gate_up, act;  // (N, 2I), (N, I)
};

// Gradients inside a block; shared by all blocks.
struct BlockScratch {
  Tensor dact, dgate_up;  // (N, I), (N, 2I)
  Tensor dnorm;           // (N, H)
  Tensor dqkv, dout;      // (N, qkv_cols), (N, NH*D)
};

class BlockProbe;

struct BlockContext {
  Backend& backend;
  const ModelConfig& config;
  AttentionShape shape;
  ScorePolicy policy;
  Tensor cos, sin;   // (T, D/2)
  Tensor doc_start;  // (B, T) i32
  Tensor max_logit;  // (1, NH), empty: not wanted
  BlockProbe* probe = nullptr;
  int64_t layer = 0;  // for the probe
};

enum class BlockMatrix : uint8_t { qkv, proj, fc1, fc2 };

// Watches a block's tensors while they stand, for statistics: reads them by ops of the same stream
// and changes nothing.
class BlockProbe {
 public:
  virtual ~BlockProbe() = default;
  // `s` and c.max_logit are full; `out` (N, H) is the residual stream after the block.
  virtual void after_forward(const BlockContext& c, const Saved& s, const Tensor& out) = 0;
  // dx: gradient with respect to the input of that matrix product.
  virtual void input_gradient(const BlockContext& c, BlockMatrix matrix, const Tensor& dx) = 0;
};

// out (N, H) must not alias s.x.
void block_forward(const BlockContext& c, const Tensor& out, Saved& s, const BlockParams& w);
// dx (N, H): gradient of `out` on entry, of s.x on return. `dw` accumulates.
void block_backward(const BlockContext& c, const Tensor& dx, const Saved& s, const BlockParams& w,
                    const BlockParams& dw, const BlockScratch& t);
// Makes what `level` did not keep again; s.x is there. Called before block_backward.
void block_recompute(const BlockContext& c, Saved& s, const BlockParams& w, Recompute level);

// Takes the tensors of a Saved from `kept` (one per block) or `shared` (one for all), as `level`
// says.
Saved take_saved(Arena& arena, const Saved& shared, const ModelConfig& config, const Types& types,
                 int64_t rows, Recompute level);
Saved take_shared(Arena& arena, const ModelConfig& config, const Types& types, int64_t rows,
                  Recompute level);
BlockScratch take_scratch(Arena& arena, const ModelConfig& config, const Types& types,
                          int64_t rows);

}  // namespace ballast
