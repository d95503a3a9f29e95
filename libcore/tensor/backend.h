// Backend: the only seam to devices. Memory, streams and about two dozen ops, each with its
// backward; the model is written once above it. CpuBackend and CudaBackend implement it;
// kernels/ref is the specification of every op.
//
// Contract of all ops
//  - Arguments: outputs, inputs, weights, scalars. Shapes stand beside the parameters: B sequences
//  of T tokens,
//    N = B*T rows, H hidden, I mlp width, V padded vocabulary, NH heads, NKV key-value heads, D
//    head size.
//  - Activation gradients are overwritten; parameter gradients (dw, dtable: always f32) accumulate.
//  The gradient of the
//    residual stream grows only through a visible add().
//  - Activations have the compute type (f32 on the CPU); statistics (rstd, lse, loss rows) are f32;
//  sums that reach a
//    law are f64.
//  - Ops are asynchronous on the compute stream. Inputs must not change before they have run.
//  - An op gives the same bits for the same shapes, whatever the number of threads; no float
//  atomics.
//  - Bad shapes are broken invariants (BALLAST_CHECK in the callee); a failing device throws
//  DeviceError.
//  - Outputs may alias inputs only where a comment says so.
// One host thread drives a Backend.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "libcore/tensor/tensor.h"

namespace ballast {

class ThreadPool;

enum class StreamId : uint8_t { compute, communication, copy };

// A point on a stream; 0 is "already reached". Valid until 1,024 later events of the same stream
// were recorded.
using EventId = uint64_t;

struct AttentionShape {
  int64_t batch = 0;     // B
  int64_t seq = 0;       // T
  int64_t heads = 0;     // NH
  int64_t kv_heads = 0;  // NKV, divides NH
  int64_t head_dim = 0;  // D
  int64_t q_cols() const { return heads * head_dim; }
  int64_t kv_cols() const { return kv_heads * head_dim; }
  int64_t qkv_cols() const { return q_cols() + 2 * kv_cols(); }  // rows of qkv are [q|k|v]
};

// Applied to q.k before the mask and the softmax: s = scale * q.k, then s = cap * tanh(s / cap)
// when cap > 0.
struct ScorePolicy {
  float scale = 1.0f;
  float cap = 0.0f;
};

// Applied to probabilities: p becomes clip((zeta - gamma) p + gamma, 0, 1).
struct SoftClip {
  float zeta = 1.03f;    // >= 1
  float gamma = -0.03f;  // <= 0
};

// xielu has learned scalars and ops of its own.
enum class Activation : uint8_t { swiglu, gelu, squared_relu, xielu };

struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  float alpha = 1.0f;
  float beta = 0.0f;          // 0 never reads C
  const Tensor* c = nullptr;  // null with beta != 0: C is D
  bool b_is_weight = false;   // B was given to prepare(); a packed copy may be used
};

// A range of the flat index in which all elements share one decay class and learning-rate scale.
// For stable_adamw a range lies within one tensor and one block, and `ratio` names its entry of
// OptimizerStep::ratio_sums and those of its tensor.
struct OptimizerRange {
  int64_t begin = 0;
  int64_t end = 0;
  bool decay = false;
  float lr_scale = 1.0f;  // muP and the like
  struct Ratio {
    int64_t entry = 0;
    int64_t tensor_begin = 0, tensor_end = 0;  // entries, half open
    int64_t tensor_elements = 1;
  };
  Ratio ratio = {};
};

// kernels/ref/optimizer.h has the formulas.
enum class OptimizerKind : uint8_t { adamw, ademamix, stable_adamw };

// One update of flat buffers (1, n). grad is f32; param is f32 or bf16; the states m, v and
// (ademamix) m2 are all f32, or all bf16. What is bf16 is used in f32 and rounded stochastically by
// (rounding_seed, t, index) when it is stored; an f32 param is rounded to values of bf16 by the
// same noise where `round_param` says so. Moments, weights and decay change only when `apply`; the
// choice is a select, never a product. Elements outside all ranges (padding) stay as they are.
struct OptimizerStep {
  OptimizerKind kind = OptimizerKind::adamw;
  Tensor param, grad, m, v;
  Tensor m2 = {};                          // ademamix: the slow moment
  std::span<const OptimizerRange> ranges;  // sorted, disjoint
  double lr = 0, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
  double beta3 = 0, alpha = 0;  // ademamix: of this step, warmed up
  int64_t t = 1;                // optimizer steps including this one
  double grad_factor = 1;       // of the clipper
  double update_factor = 1;     // 1 unless a fault is injected
  bool apply = true;
  Tensor ratio_sums = {};      // stable_adamw: what update_ratio() made, summed over ranks
  bool round_param = false;    // always done where param is bf16
  uint64_t rounding_seed = 0;  // of what is rounded
  int64_t flat_begin = 0;      // the same: place of element 0 in the flat index
  // Per 65,536-element block: sums of squares of the applied update (decay included, before the
  // weights are rounded), of the new weights as they are stored and of the new v (before it is
  // rounded); (blocks, 3) f64, overwritten. May be empty.
  Tensor block_sums;
};

// Columns of stats(): sum x^2, sum x^4, max |x|, non-finite count, zero count. Sums and maximum
// skip non-finite values.
inline constexpr int64_t kStatsCols = 5;

// Elements of one block of the logical flat index (norms, ZeRO borders).
inline constexpr int64_t kFlatBlock = 65536;

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;  // "cpu", "cuda:0"
  virtual std::string description()
      const = 0;  // device, ISA, library versions: recorded in state.json
  virtual Dtype compute_dtype() const = 0;
  virtual ThreadPool& host_pool() = 0;
  // Whether the host may read and write what allocate() gave.
  virtual bool host_memory() const { return false; }

  // Memory, aligned to 256 bytes; throws DeviceError when there is none. `registered` asks for
  // memory that the transport can use directly (NCCL), where that exists.
  virtual void* allocate(int64_t bytes, bool registered) = 0;
  virtual void release(void* data) = 0;
  virtual void copy_in(void* device, const void* host, int64_t bytes, StreamId stream) = 0;
  virtual void copy_out(void* host, const void* device, int64_t bytes, StreamId stream) = 0;
  virtual void zero(void* device, int64_t bytes) = 0;

  virtual EventId record(StreamId stream) = 0;
  virtual void wait(StreamId stream,
                    EventId event) = 0;         // later work on `stream` runs after `event`
  virtual void synchronize(EventId event) = 0;  // the host waits

  // `weight` (out, in), f32 or of the compute type, has new content: copies derived from it (packed
  // panels, FP8) are made again before next use.
  virtual void prepare(const Tensor& weight) = 0;

  // D (m, n) = alpha * op(A) (m, k) * op(B) (k, n) + beta * C (m, n).
  virtual void gemm(const Tensor& d, const Tensor& a, const Tensor& b,
                    const GemmOptions& options) = 0;
  // y (1, m) = A (m, k) x (1, k), or A^T x with `transpose`.
  virtual void gemv(const Tensor& y, const Tensor& a, const Tensor& x, bool transpose) = 0;

  // y (N, H) = table (V, H) rows at tokens (1, N) i32; the table is f32 or of y's type.
  virtual void embed(const Tensor& y, const Tensor& table, const Tensor& tokens) = 0;
  // dtable += dy rows, in token order for each row of the table: deterministic.
  virtual void embed_bwd(const Tensor& dtable, const Tensor& dy, const Tensor& tokens) = 0;

  // RMSNorm of every run of D = w.cols columns of x (N, G*D): rstd (1, N*G) = (mean x^2 +
  // eps)^-1/2, y (N, G*D) = x * rstd * w (1, D). G is 1 for a hidden row, the number of heads for
  // one norm per head. y may alias x where the backward does not need x.
  virtual void norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                    float eps) = 0;
  // The same of sum = x + branch, with G = 1; sum may alias x.
  virtual void add_norm(const Tensor& y, const Tensor& rstd, const Tensor& sum, const Tensor& x,
                        const Tensor& branch, const Tensor& w, float eps) = 0;
  // dx may alias dy.
  virtual void norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                        const Tensor& w, const Tensor& rstd) = 0;

  // LayerNorm of the same runs: mean (1, N*G), rstd = (mean (x - mean)^2 + eps)^-1/2,
  // y = (x - mean) * rstd * w + bias, w and bias (1, D).
  virtual void layer_norm(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x,
                          const Tensor& w, const Tensor& bias, float eps) = 0;
  // dx may alias dy.
  virtual void layer_norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dbias,
                              const Tensor& dy, const Tensor& x, const Tensor& w,
                              const Tensor& mean, const Tensor& rstd) = 0;

  // Per-head RMSNorm of q and k with gains (1, D) (skipped when both gains are empty), then
  // half-split RoPE at position t - doc_start[b, t]; v is copied. cos, sin: (T, D/2) f32. out may
  // alias qkv (N, qkv_cols) when there is no norm. q_rstd (N, NH), k_rstd (N, NKV): empty without
  // norm.
  virtual void qk_norm_rope(const Tensor& out, const Tensor& q_rstd, const Tensor& k_rstd,
                            const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                            const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                            const AttentionShape& shape, float eps) = 0;
  // dqkv may alias dout when there is no norm; qkv is the op's input.
  virtual void qk_norm_rope_bwd(const Tensor& dqkv, const Tensor& dq_gain, const Tensor& dk_gain,
                                const Tensor& dout, const Tensor& q_rstd, const Tensor& k_rstd,
                                const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                                const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                                const AttentionShape& shape) = 0;

  // Causal, block-diagonal attention: query t sees keys doc_start[b, t] .. t. o (N, NH*D); lse (N,
  // NH) of the scores after the policy; max_logit (1, NH) over all rows, empty: not wanted.
  // doc_start (B, T) i32.
  virtual void attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                         const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                         const ScorePolicy& policy) = 0;
  virtual void attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o,
                             const Tensor& lse, const Tensor& qkv, const Tensor& doc_start,
                             const AttentionShape& shape, const ScorePolicy& policy) = 0;

  // The same with probabilities clipped after the softmax: o = sum clip(p) v, rows of clip(p) need
  // not sum to 1, and lse is that of the softmax. A clipped probability passes no gradient.
  virtual void clipped_attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                                 const Tensor& qkv, const Tensor& doc_start,
                                 const AttentionShape& shape, const ScorePolicy& policy,
                                 const SoftClip& clip) = 0;
  // Two passes over a row: sum p dp first, since o does not give it here.
  virtual void clipped_attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& lse,
                                     const Tensor& qkv, const Tensor& doc_start,
                                     const AttentionShape& shape, const ScorePolicy& policy,
                                     const SoftClip& clip) = 0;

  // swiglu: y (N, I) = silu(x[:, :I]) * x[:, I:], x (N, 2I); the others are elementwise on (N, I).
  virtual void activation(const Tensor& y, const Tensor& x, Activation kind) = 0;
  virtual void activation_bwd(const Tensor& dx, const Tensor& dy, const Tensor& x,
                              Activation kind) = 0;

  // xIELU (Huang & Schlag 2024) with alpha (1, 2) = raw scalars [p, n], ap = softplus(p),
  // an = 1/2 + softplus(n): y = ap x^2 + x/2 for x > 0, an (e^x - 1 - x) + x/2 otherwise.
  virtual void xielu(const Tensor& y, const Tensor& x, const Tensor& alpha) = 0;
  // dalpha (1, 2) accumulates; dx may alias dy.
  virtual void xielu_bwd(const Tensor& dx, const Tensor& dalpha, const Tensor& dy, const Tensor& x,
                         const Tensor& alpha) = 0;

  // Sigma-reparametrisation (Zhai et al. 2023) of w (m, n) with u (1, n), v (1, m), gain (1, 1):
  // sigma (1, 1) = v w u', hat (m, n) = gain / sigma * w. Scalars stay on the device. w is f32 or
  // of the compute type here and in the next two.
  virtual void spectral_scale(const Tensor& hat, const Tensor& sigma, const Tensor& w,
                              const Tensor& gain, const Tensor& u, const Tensor& v) = 0;
  // u and v are constants: with g = sum dhat * w / sigma, dw += gain / sigma * (dhat - g v'u),
  // dgain += g.
  virtual void spectral_scale_bwd(const Tensor& dw, const Tensor& dgain, const Tensor& dhat,
                                  const Tensor& w, const Tensor& gain, const Tensor& sigma,
                                  const Tensor& u, const Tensor& v) = 0;
  // One power iteration in place: v = w u' / |w u'|, then u = v w / |v w|.
  virtual void power_iteration(const Tensor& u, const Tensor& v, const Tensor& w) = 0;

  // y (N, H) = x * gain (1, H); dgain accumulates. y may alias x, dx may alias dy.
  virtual void scale_channels(const Tensor& y, const Tensor& x, const Tensor& gain) = 0;
  virtual void scale_channels_bwd(const Tensor& dx, const Tensor& dgain, const Tensor& dy,
                                  const Tensor& x, const Tensor& gain) = 0;

  // Cross-entropy of a chunk of rows. logits (n, V); columns >= vocab are ignored. labels (1, n)
  // i32; weight (1, n) f32 (mask / global count; 0: the row counts nothing). loss_rows (1, n) f32 =
  // lse - logit[label], not weighted, and 0 where weight is 0; lse_rows (1, n). With `gradient`,
  // logits are replaced in place by
  //   weight * (softmax - onehot + 2 * z_loss * lse * softmax), zero in the columns >= vocab.
  virtual void xent_chunk(const Tensor& loss_rows, const Tensor& lse_rows, const Tensor& logits,
                          const Tensor& labels, const Tensor& weight, int64_t vocab, float z_loss,
                          bool gradient) = 0;

  virtual void add(const Tensor& y, const Tensor& a, const Tensor& b) = 0;  // y may alias either
  virtual void scale(const Tensor& y, const Tensor& x, float factor) = 0;   // y may alias x
  virtual void cast(const Tensor& y, const Tensor& x) = 0;

  // out (1, kStatsCols) f64.
  virtual void stats(const Tensor& out, const Tensor& x) = 0;
  // out (1, blocks) f64: sums of squares of the 65,536-element blocks of flat f32 x (1, n), fixed
  // order inside a block.
  virtual void norm_blocks(const Tensor& out, const Tensor& x) = 0;

  // stable_adamw, before optimizer_step(): out (1, entries) f64 gets at range.ratio.entry the sum
  // over the range of g^2 / max(v', eps^2), v' being the second moment that the step will make.
  // Other entries stay as they are. Changes no state.
  virtual void update_ratio(const Tensor& out, const OptimizerStep& step) = 0;
  virtual void optimizer_step(const OptimizerStep& step) = 0;
};

// Sums blocks pairwise in block order, as all norms that reach a law are added.
double sum_pairwise(std::span<const double> values);

}  // namespace ballast
