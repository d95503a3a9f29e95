// The parts of a block that a switch can change, each a forward and its backward: norms, the input
// of attention, attention, the MLP's activation, and the way of a branch back into the residual
// stream. A switch that is off is a Tensor that is empty, so parts ask their weights and not the
// config. Gradients: activation gradients are overwritten, parameter gradients accumulate.
#pragma once

#include <array>

#include "libcore/model/config.h"
#include "libcore/tensor/backend.h"

namespace ballast {

// Gain and bias (1, D) of a norm: no gain means no norm, no bias means RMSNorm.
struct NormParams {
  Tensor gain, bias;
  bool none() const { return gain.empty(); }
};
struct NormStats {
  Tensor mean, rstd;  // (1, N*G); mean only of LayerNorm
};

// A matrix that ends a branch, and what stands between it and the residual stream.
struct BranchParams {
  Tensor matrix;     // (H, K)
  NormParams norm;   // of the matrix's output (fc_norm)
  Tensor scale;      // (1, H): LayerScale
  NormParams after;  // of the sum (post-norm)
  bool plain() const { return norm.none() && scale.empty(); }
};
struct SavedBranch {
  Tensor z, normed;  // (N, H): output of the matrix, and its norm; only where the backward
  NormStats norm;    //   needs them
  Tensor sum;        // (N, H) in front of `after`
  NormStats after;
};

// Weights of a block or their gradients, views of a flat buffer.
struct BlockParams {
  NormParams attention_norm;          // in front of qkv
  Tensor qkv;                         // (NH*D + 2*NKV*D, H)
  NormParams q_norm, k_norm, v_norm;  // (1, D), per head
  BranchParams proj;                  // (H, NH*D)
  NormParams mlp_norm;                // in front of fc1
  Tensor fc1;                         // (2I, H), rows [gate|up]; (I, H) without a gate
  Tensor act;                         // (1, 2): scalars of xIELU
  BranchParams fc2;                   // (H, I)
};

// Activations of one block for N = B*T rows.
struct Saved {
  Tensor x;   // (N, H) input: the residual stream
  Tensor y1;  // (N, H): first norm, or x itself
  NormStats norm1;
  Tensor projected;                  // (N, qkv_cols) before the norms of heads, where there are any
  NormStats q_norm, k_norm, v_norm;  // (1, N*NH), (1, N*NKV)
  Tensor qkv;                        // (N, qkv_cols) after norms and RoPE
  Tensor o, lse;                     // (N, NH*D), (N, NH)
  SavedBranch proj;
  Tensor mid;  // (N, H) residual stream after attention
  Tensor y2;   // (N, H): second norm, or mid itself
  NormStats norm2;
  Tensor fc1, act;  // (N, 2I) or (N, I), (N, I)
  SavedBranch fc2;
};

// Gradients inside a block; shared by all blocks.
struct BlockScratch {
  Tensor dact, dfc1;  // (N, I), as Saved::fc1
  Tensor dnorm;       // (N, H)
  Tensor dqkv, dout;  // (N, qkv_cols), (N, NH*D)
  Tensor dprojected;  // (N, qkv_cols), where heads are normalised
  Tensor dbranch;     // (N, H), where a branch is normalised or scaled
};

// qkv, proj, fc1, fc2.
using BlockMatrices = std::array<Tensor, 4>;

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
  int64_t layer = 0;      // for the probe
  BlockMatrices weights;  // for the probe: as they are stored
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

// y = x W^T (+ residual), W stored (out, in).
void linear(Backend& b, const Tensor& y, const Tensor& x, const Tensor& w,
            const Tensor* residual = nullptr);
// dx = dy W and dW += dy^T x.
void linear_bwd(Backend& b, const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                const Tensor& w);

// Nothing where there is no norm: y is x then, and dx is dy.
void norm(const BlockContext& c, const Tensor& y, const NormStats& s, const Tensor& x,
          const NormParams& w);
void norm_bwd(const BlockContext& c, const Tensor& dx, const NormParams& dw, const Tensor& dy,
              const Tensor& x, const NormParams& w, const NormStats& s);

// s.qkv from s.y1: projection, norms of heads, RoPE.
void attention_input(const BlockContext& c, const Saved& s, const BlockParams& w);
// t.dnorm (gradient of s.y1) from t.dqkv.
void attention_input_bwd(const BlockContext& c, const Saved& s, const BlockParams& w,
                         const BlockParams& dw, const BlockScratch& t);

void attend(const BlockContext& c, const Saved& s);
void attend_bwd(const BlockContext& c, const Saved& s, const BlockScratch& t);

void activate(const BlockContext& c, const Saved& s, const BlockParams& w);
void activate_bwd(const BlockContext& c, const Saved& s, const BlockParams& w,
                  const BlockParams& dw, const BlockScratch& t);

// out (N, H) = after(x + scale * norm(in W^T)). An empty `out` only makes what the backward needs.
void join(const BlockContext& c, const Tensor& out, const SavedBranch& s, const Tensor& x,
          const Tensor& in, const BranchParams& w);
// dx: gradient of out on entry, of x by the direct way on return; din: that of `in`.
void join_bwd(const BlockContext& c, const Tensor& dx, const Tensor& din, const SavedBranch& s,
              const Tensor& in, const BranchParams& w, const BranchParams& dw,
              const BlockScratch& t);

}  // namespace ballast
