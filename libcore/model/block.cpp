#include "libcore/model/block.h"

namespace ballast {
namespace {

void watch(const BlockContext& c, BlockMatrix matrix, const Tensor& dx) {
  if (c.probe != nullptr) c.probe->input_gradient(c, matrix, dx);
}

}  // namespace

void block_forward(const BlockContext& c, const Tensor& out, const Saved& s, const BlockParams& w) {
  norm(c, s.y1, s.norm1, s.x, w.attention_norm);
  attention_input(c, s, w);
  attend(c, s);
  join(c, s.mid, s.proj, s.x, s.o, w.proj);
  norm(c, s.y2, s.norm2, s.mid, w.mlp_norm);
  linear(c.backend, s.fc1, s.y2, w.fc1);
  activate(c, s, w);
  join(c, out, s.fc2, s.mid, s.act, w.fc2);
}

void block_backward(const BlockContext& c, const Tensor& dx, const Saved& s, const BlockParams& w,
                    const BlockParams& dw, const BlockScratch& t) {
  Backend& b = c.backend;
  join_bwd(c, dx, t.dact, s.fc2, s.act, w.fc2, dw.fc2, t);
  watch(c, BlockMatrix::fc2, t.dact);
  activate_bwd(c, s, w, dw, t);
  linear_bwd(b, t.dnorm, dw.fc1, t.dfc1, s.y2, w.fc1);
  watch(c, BlockMatrix::fc1, t.dnorm);
  norm_bwd(c, t.dnorm, dw.mlp_norm, t.dnorm, s.mid, w.mlp_norm, s.norm2);
  b.add(dx, dx, t.dnorm);
  join_bwd(c, dx, t.dout, s.proj, s.o, w.proj, dw.proj, t);
  watch(c, BlockMatrix::proj, t.dout);
  attend_bwd(c, s, t);
  attention_input_bwd(c, s, w, dw, t);
  watch(c, BlockMatrix::qkv, t.dnorm);
  norm_bwd(c, t.dnorm, dw.attention_norm, t.dnorm, s.x, w.attention_norm, s.norm1);
  b.add(dx, dx, t.dnorm);
}

void block_recompute(const BlockContext& c, const Saved& s, const BlockParams& w, Recompute level) {
  if (level == Recompute::none) return;
  if (level == Recompute::block) {
    block_forward(c, {}, s, w);  // the block's output is not needed again
    return;
  }
  norm(c, s.y1, s.norm1, s.x, w.attention_norm);
  norm(c, s.y2, s.norm2, s.mid, w.mlp_norm);
  activate(c, s, w);
}

Types types_of(const Backend& backend) {
  const Dtype compute = backend.compute_dtype();
  return {compute, compute == Dtype::f64 ? Dtype::f64 : Dtype::f32};
}

namespace {

// Takes what the switches of a model need; `rows` is N.
struct Taker {
  Arena& arena;
  const ModelConfig& c;
  const Types& types;
  int64_t rows;
  bool pre() const { return c.switches.placement == NormPlacement::pre; }

  Tensor activations(int64_t cols) const {
    return arena.take_activations(types.activation, rows, cols);
  }
  NormStats stats(int64_t groups) const {
    const bool layer = c.switches.norm == NormKind::layer;
    const Tensor rstd = arena.take(types.statistic, 1, rows * groups);
    return {layer ? arena.take(types.statistic, 1, rows * groups) : Tensor(), rstd};
  }
  void branch(SavedBranch& s) const {
    if (c.switches.fc_norm || c.switches.layerscale > 0) s.z = activations(c.hidden_size);
    if (c.switches.fc_norm) {
      s.normed = activations(c.hidden_size);
      s.norm = stats(1);
    }
    if (!pre()) s.sum = activations(c.hidden_size);
  }
  bool has_attention_norm() const { return pre() && !c.switches.qkv_norm; }
};

// What Recompute::norms makes again, and what only Recompute::block does.
void take_norms(Saved& s, const Taker& take) {
  if (take.has_attention_norm()) s.y1 = take.activations(take.c.hidden_size);
  if (take.pre()) s.y2 = take.activations(take.c.hidden_size);
  s.act = take.activations(take.c.intermediate_size);
}

void take_rest(Saved& s, const Taker& take) {
  const ModelConfig& c = take.c;
  const int64_t qkv_cols = c.q_rows() + 2 * c.kv_rows();
  if (take.has_attention_norm()) s.norm1 = take.stats(1);
  if (take.pre()) s.norm2 = take.stats(1);
  s.qkv = take.activations(qkv_cols);
  s.o = take.activations(c.q_rows());
  s.lse = take.arena.take(take.types.statistic, take.rows, c.num_attention_heads);
  s.mid = take.activations(c.hidden_size);
  s.fc1 = take.activations(c.fc1_rows());
  if (c.switches.norms_heads()) {
    s.projected = take.activations(qkv_cols);
    s.q_norm = take.stats(c.num_attention_heads);
    s.k_norm = take.stats(c.num_key_value_heads);
  }
  if (c.switches.qkv_norm) s.v_norm = take.stats(c.num_key_value_heads);
  take.branch(s.proj);
  take.branch(s.fc2);
}

}  // namespace

Saved take_shared(Arena& arena, const ModelConfig& c, const Types& types, int64_t rows,
                  Recompute level) {
  const Taker take{arena, c, types, rows};
  Saved s;
  if (level >= Recompute::norms) take_norms(s, take);
  if (level >= Recompute::block) take_rest(s, take);
  return s;
}

Saved take_saved(Arena& arena, const Saved& shared, const ModelConfig& c, const Types& types,
                 int64_t rows, Recompute level) {
  const Taker take{arena, c, types, rows};
  Saved s = shared;
  s.x = take.activations(c.hidden_size);
  if (level < Recompute::norms) take_norms(s, take);
  if (level < Recompute::block) take_rest(s, take);
  // Recomputing a block does not run the norm behind its last sum.
  if (!take.pre()) s.fc2.after = take.stats(1);
  if (!take.pre()) s.proj.after = take.stats(1);
  if (!take.has_attention_norm()) s.y1 = s.x;
  if (!take.pre()) s.y2 = s.mid;
  return s;
}

BlockScratch take_scratch(Arena& arena, const ModelConfig& c, const Types& types, int64_t rows) {
  const Taker take{arena, c, types, rows};
  const int64_t qkv_cols = c.q_rows() + 2 * c.kv_rows();
  BlockScratch t;
  t.dact = take.activations(c.intermediate_size);
  t.dfc1 = take.activations(c.fc1_rows());
  t.dnorm = take.activations(c.hidden_size);
  t.dqkv = take.activations(qkv_cols);
  t.dout = take.activations(c.q_rows());
  if (c.switches.norms_heads()) t.dprojected = take.activations(qkv_cols);
  if (c.switches.fc_norm || c.switches.layerscale > 0) t.dbranch = take.activations(c.hidden_size);
  return t;
}

}  // namespace ballast
