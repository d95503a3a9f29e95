#include "libcore/model/parts.h"

namespace ballast {
namespace {

float eps_of(const BlockContext& c) { return static_cast<float>(c.config.rms_norm_eps); }

SoftClip clip_of(const BlockContext& c) {
  return {.zeta = static_cast<float>(c.config.switches.soft_clip_zeta),
          .gamma = static_cast<float>(c.config.switches.soft_clip_gamma)};
}

// The three parts of the columns of qkv.
Tensor queries(const BlockContext& c, const Tensor& qkv) {
  return cols_of(qkv, 0, c.shape.q_cols());
}
Tensor keys(const BlockContext& c, const Tensor& qkv) {
  return cols_of(qkv, c.shape.q_cols(), c.shape.kv_cols());
}
Tensor values(const BlockContext& c, const Tensor& qkv) {
  return cols_of(qkv, c.shape.q_cols() + c.shape.kv_cols(), c.shape.kv_cols());
}

// (1, N*G) seen as (N, G).
Tensor per_row(const Tensor& t, int64_t groups) {
  return make_tensor(t.data, t.dtype, t.cols / groups, groups);
}

// RMSNorm of queries and keys is one op with RoPE; LayerNorm goes by the general norm.
bool norms_with_rope(const BlockParams& w) { return w.q_norm.bias.empty(); }

void rope(const BlockContext& c, const Tensor& qkv) {
  c.backend.qk_norm_rope(qkv, {}, {}, qkv, {}, {}, c.cos, c.sin, c.doc_start, c.shape, 0.0f);
}

void rope_bwd(const BlockContext& c, const Tensor& dqkv) {
  c.backend.qk_norm_rope_bwd(dqkv, {}, {}, dqkv, {}, {}, {}, {}, {}, c.cos, c.sin, c.doc_start,
                             c.shape);
}

}  // namespace

void linear(Backend& b, const Tensor& y, const Tensor& x, const Tensor& w, const Tensor* residual) {
  b.gemm(y, x, w,
         {.transpose_b = true,
          .beta = residual == nullptr ? 0.0f : 1.0f,
          .c = residual,
          .b_is_weight = true});
}

void linear_bwd(Backend& b, const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                const Tensor& w) {
  b.gemm(dx, dy, w, {.b_is_weight = true});
  b.gemm(dw, dy, x, {.transpose_a = true, .beta = 1.0f});
}

void norm(const BlockContext& c, const Tensor& y, const NormStats& s, const Tensor& x,
          const NormParams& w) {
  if (w.none()) return;
  if (w.bias.empty()) {
    c.backend.norm(y, s.rstd, x, w.gain, eps_of(c));
  } else {
    c.backend.layer_norm(y, s.mean, s.rstd, x, w.gain, w.bias, eps_of(c));
  }
}

void norm_bwd(const BlockContext& c, const Tensor& dx, const NormParams& dw, const Tensor& dy,
              const Tensor& x, const NormParams& w, const NormStats& s) {
  if (w.none()) return;
  if (w.bias.empty()) {
    c.backend.norm_bwd(dx, dw.gain, dy, x, w.gain, s.rstd);
  } else {
    c.backend.layer_norm_bwd(dx, dw.gain, dw.bias, dy, x, w.gain, s.mean, s.rstd);
  }
}

void attention_input(const BlockContext& c, const Saved& s, const BlockParams& w) {
  Backend& b = c.backend;
  if (w.q_norm.none()) {
    linear(b, s.qkv, s.y1, w.qkv);
    return rope(c, s.qkv);
  }
  linear(b, s.projected, s.y1, w.qkv);
  if (norms_with_rope(w)) {
    b.qk_norm_rope(s.qkv, per_row(s.q_norm.rstd, c.shape.heads),
                   per_row(s.k_norm.rstd, c.shape.kv_heads), s.projected, w.q_norm.gain,
                   w.k_norm.gain, c.cos, c.sin, c.doc_start, c.shape, eps_of(c));
  } else {
    norm(c, queries(c, s.qkv), s.q_norm, queries(c, s.projected), w.q_norm);
    norm(c, keys(c, s.qkv), s.k_norm, keys(c, s.projected), w.k_norm);
    b.scale(values(c, s.qkv), values(c, s.projected), 1.0f);
    rope(c, s.qkv);
  }
  norm(c, values(c, s.qkv), s.v_norm, values(c, s.projected), w.v_norm);
}

void attention_input_bwd(const BlockContext& c, const Saved& s, const BlockParams& w,
                         const BlockParams& dw, const BlockScratch& t) {
  Backend& b = c.backend;
  if (w.q_norm.none()) {
    rope_bwd(c, t.dqkv);
    return linear_bwd(b, t.dnorm, dw.qkv, t.dqkv, s.y1, w.qkv);
  }
  const Tensor& d = t.dprojected;
  if (norms_with_rope(w)) {
    b.qk_norm_rope_bwd(d, dw.q_norm.gain, dw.k_norm.gain, t.dqkv,
                       per_row(s.q_norm.rstd, c.shape.heads),
                       per_row(s.k_norm.rstd, c.shape.kv_heads), s.projected, w.q_norm.gain,
                       w.k_norm.gain, c.cos, c.sin, c.doc_start, c.shape);
  } else {
    rope_bwd(c, t.dqkv);
    b.scale(d, t.dqkv, 1.0f);
    norm_bwd(c, queries(c, d), dw.q_norm, queries(c, d), queries(c, s.projected), w.q_norm,
             s.q_norm);
    norm_bwd(c, keys(c, d), dw.k_norm, keys(c, d), keys(c, s.projected), w.k_norm, s.k_norm);
  }
  norm_bwd(c, values(c, d), dw.v_norm, values(c, d), values(c, s.projected), w.v_norm, s.v_norm);
  linear_bwd(b, t.dnorm, dw.qkv, d, s.y1, w.qkv);
}

void attend(const BlockContext& c, const Saved& s) {
  if (c.config.switches.soft_clip) {
    c.backend.clipped_attention(s.o, s.lse, c.max_logit, s.qkv, c.doc_start, c.shape, c.policy,
                                clip_of(c));
  } else {
    c.backend.attention(s.o, s.lse, c.max_logit, s.qkv, c.doc_start, c.shape, c.policy);
  }
}

void attend_bwd(const BlockContext& c, const Saved& s, const BlockScratch& t) {
  if (c.config.switches.soft_clip) {
    c.backend.clipped_attention_bwd(t.dqkv, t.dout, s.lse, s.qkv, c.doc_start, c.shape, c.policy,
                                    clip_of(c));
  } else {
    c.backend.attention_bwd(t.dqkv, t.dout, s.o, s.lse, s.qkv, c.doc_start, c.shape, c.policy);
  }
}

void activate(const BlockContext& c, const Saved& s, const BlockParams& w) {
  if (!w.act.empty()) return c.backend.xielu(s.act, s.fc1, w.act);
  c.backend.activation(s.act, s.fc1, c.config.switches.activation);
}

void activate_bwd(const BlockContext& c, const Saved& s, const BlockParams& w,
                  const BlockParams& dw, const BlockScratch& t) {
  if (!w.act.empty()) return c.backend.xielu_bwd(t.dfc1, dw.act, t.dact, s.fc1, w.act);
  c.backend.activation_bwd(t.dfc1, t.dact, s.fc1, c.config.switches.activation);
}

void join(const BlockContext& c, const Tensor& out, const SavedBranch& s, const Tensor& x,
          const Tensor& in, const BranchParams& w) {
  Backend& b = c.backend;
  const Tensor& sum = w.after.none() ? out : s.sum;
  if (w.plain()) {
    if (!sum.empty()) linear(b, sum, in, w.matrix, &x);
  } else {
    linear(b, s.z, in, w.matrix);
    norm(c, s.normed, s.norm, s.z, w.norm);
    const Tensor* branch = w.norm.none() ? &s.z : &s.normed;
    if (!w.scale.empty() && !sum.empty()) {
      b.scale_channels(sum, *branch, w.scale);
      branch = &sum;
    }
    if (!sum.empty()) b.add(sum, *branch, x);
  }
  if (!out.empty()) norm(c, out, s.after, s.sum, w.after);
}

void join_bwd(const BlockContext& c, const Tensor& dx, const Tensor& din, const SavedBranch& s,
              const Tensor& in, const BranchParams& w, const BranchParams& dw,
              const BlockScratch& t) {
  norm_bwd(c, dx, dw.after, dx, s.sum, w.after, s.after);
  const Tensor* dz = &dx;
  if (!w.scale.empty()) {
    c.backend.scale_channels_bwd(t.dbranch, dw.scale, *dz, w.norm.none() ? s.z : s.normed, w.scale);
    dz = &t.dbranch;
  }
  if (!w.norm.none()) {
    norm_bwd(c, t.dbranch, dw.norm, *dz, s.z, w.norm, s.norm);
    dz = &t.dbranch;
  }
  linear_bwd(c.backend, din, dw.matrix, *dz, in, w.matrix);
}

}  // namespace ballast
