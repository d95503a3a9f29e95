#include "libcore/model/block.h"

namespace ballast {
namespace {

// y = x W^T (+ c), W stored (out, in).
void linear(Backend& b, const Tensor& y, const Tensor& x, const Tensor& w,
            const Tensor* residual = nullptr) {
  b.gemm(y, x, w,
         {.transpose_b = true,
          .beta = residual == nullptr ? 0.0f : 1.0f,
          .c = residual,
          .b_is_weight = true});
}

// dx = dy W and dW += dy^T x.
void linear_bwd(Backend& b, const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                const Tensor& w) {
  b.gemm(dx, dy, w, {.b_is_weight = true});
  b.gemm(dw, dy, x, {.transpose_a = true, .beta = 1.0f});
}

void rope(const BlockContext& c, const Tensor& qkv) {
  c.backend.qk_norm_rope(qkv, {}, {}, qkv, {}, {}, c.cos, c.sin, c.doc_start, c.shape, 0.0f);
}

void rope_bwd(const BlockContext& c, const Tensor& dqkv) {
  c.backend.qk_norm_rope_bwd(dqkv, {}, {}, dqkv, {}, {}, {}, {}, {}, c.cos, c.sin, c.doc_start,
                             c.shape);
}

void watch(const BlockContext& c, BlockMatrix matrix, const Tensor& dx) {
  if (c.probe != nullptr) c.probe->input_gradient(c, matrix, dx);
}

}  // namespace

void block_forward(const BlockContext& c, const Tensor& out, Saved& s, const BlockParams& w) {
  Backend& b = c.backend;
  const auto eps = static_cast<float>(c.config.rms_norm_eps);
  b.norm(s.y1, s.rstd1, s.x, w.attention_norm, eps);
  linear(b, s.qkv, s.y1, w.qkv);
  rope(c, s.qkv);
  b.attention(s.o, s.lse, c.max_logit, s.qkv, c.doc_start, c.shape, c.policy);
  linear(b, s.mid, s.o, w.proj, &s.x);
  b.norm(s.y2, s.rstd2, s.mid, w.mlp_norm, eps);
  linear(b, s.gate_up, s.y2, w.fc1);
  b.activation(s.act, s.gate_up, Activation::swiglu);
  if (!out.empty()) linear(b, out, s.act, w.fc2, &s.mid);
}

void block_backward(const BlockContext& c, const Tensor& dx, const Saved& s, const BlockParams& w,
                    const BlockParams& dw, const BlockScratch& t) {
  Backend& b = c.backend;
  linear_bwd(b, t.dact, dw.fc2, dx, s.act, w.fc2);
  watch(c, BlockMatrix::fc2, t.dact);
  b.activation_bwd(t.dgate_up, t.dact, s.gate_up, Activation::swiglu);
  linear_bwd(b, t.dnorm, dw.fc1, t.dgate_up, s.y2, w.fc1);
  watch(c, BlockMatrix::fc1, t.dnorm);
  b.norm_bwd(t.dnorm, dw.mlp_norm, t.dnorm, s.mid, w.mlp_norm, s.rstd2);
  b.add(dx, dx, t.dnorm);
  linear_bwd(b, t.dout, dw.proj, dx, s.o, w.proj);
  watch(c, BlockMatrix::proj, t.dout);
  b.attention_bwd(t.dqkv, t.dout, s.o, s.lse, s.qkv, c.doc_start, c.shape, c.policy);
  rope_bwd(c, t.dqkv);
  linear_bwd(b, t.dnorm, dw.qkv, t.dqkv, s.y1, w.qkv);
  watch(c, BlockMatrix::qkv, t.dnorm);
  b.norm_bwd(t.dnorm, dw.attention_norm, t.dnorm, s.x, w.attention_norm, s.rstd1);
  b.add(dx, dx, t.dnorm);
}

void block_recompute(const BlockContext& c, Saved& s, const BlockParams& w, Recompute level) {
  if (level == Recompute::none) return;
  if (level == Recompute::block) {
    block_forward(c, {}, s, w);  // the block's output is not needed again
    return;
  }
  const auto eps = static_cast<float>(c.config.rms_norm_eps);
  c.backend.norm(s.y1, s.rstd1, s.x, w.attention_norm, eps);
  c.backend.norm(s.y2, s.rstd2, s.mid, w.mlp_norm, eps);
  c.backend.activation(s.act, s.gate_up, Activation::swiglu);
}

Types types_of(const Backend& backend) {
  const Dtype compute = backend.compute_dtype();
  return {compute, compute == Dtype::f64 ? Dtype::f64 : Dtype::f32};
}

namespace {

// What Recompute::norms makes again, and what only Recompute::block does.
void take_norms(Saved& s, Arena& arena, const ModelConfig& c, const Types& types, int64_t rows) {
  s.y1 = arena.take(types.activation, rows, c.hidden_size);
  s.y2 = arena.take(types.activation, rows, c.hidden_size);
  s.act = arena.take(types.activation, rows, c.intermediate_size);
}

void take_rest(Saved& s, Arena& arena, const ModelConfig& c, const Types& types, int64_t rows) {
  s.rstd1 = arena.take(types.statistic, 1, rows);
  s.rstd2 = arena.take(types.statistic, 1, rows);
  s.qkv = arena.take(types.activation, rows, c.q_rows() + 2 * c.kv_rows());
  s.o = arena.take(types.activation, rows, c.q_rows());
  s.lse = arena.take(types.statistic, rows, c.num_attention_heads);
  s.mid = arena.take(types.activation, rows, c.hidden_size);
  s.gate_up = arena.take(types.activation, rows, 2 * c.intermediate_size);
}

}  // namespace

Saved take_shared(Arena& arena, const ModelConfig& c, const Types& types, int64_t rows,
                  Recompute level) {
  Saved s;
  if (level >= Recompute::norms) take_norms(s, arena, c, types, rows);
  if (level >= Recompute::block) take_rest(s, arena, c, types, rows);
  return s;
}

Saved take_saved(Arena& arena, const Saved& shared, const ModelConfig& c, const Types& types,
                 int64_t rows, Recompute level) {
  Saved s = shared;
  s.x = arena.take(types.activation, rows, c.hidden_size);
  if (level < Recompute::norms) take_norms(s, arena, c, types, rows);
  if (level < Recompute::block) take_rest(s, arena, c, types, rows);
  return s;
}

BlockScratch take_scratch(Arena& arena, const ModelConfig& c, const Types& types, int64_t rows) {
  BlockScratch t;
  t.dact = arena.take(types.activation, rows, c.intermediate_size);
  t.dgate_up = arena.take(types.activation, rows, 2 * c.intermediate_size);
  t.dnorm = arena.take(types.activation, rows, c.hidden_size);
  t.dqkv = arena.take(types.activation, rows, c.q_rows() + 2 * c.kv_rows());
  t.dout = arena.take(types.activation, rows, c.q_rows());
  return t;
}

}  // namespace ballast
