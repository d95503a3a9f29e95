// Attention with clipped probabilities (soft_clip; Bondarenko et al. 2023):
//   s = policy(q.k),  p = exp(s - lse),  c = clip((zeta - gamma) p + gamma, 0, 1),  o = sum c v
// Backward: dp = (zeta - gamma) dout.v where 0 < c < 1, else 0; ds = p (dp - sum p dp); then as in
// attention.h. The sum needs a pass of its own: o holds c, not p.
#pragma once

#include "kernels/ref/attention.h"

namespace ballast::ref {

template <class T>
T clip_probability(T p, const SoftClip& clip) {
  const T value = static_cast<T>(clip.zeta - clip.gamma) * p + static_cast<T>(clip.gamma);
  if (real_part(value) <= 0) return T{0};
  return real_part(value) >= 1 ? T{1} : value;
}

// d clip / dp.
template <class T>
T clip_slope(T p, const SoftClip& clip) {
  const T value = static_cast<T>(clip.zeta - clip.gamma) * p + static_cast<T>(clip.gamma);
  const bool inside = real_part(value) > 0 && real_part(value) < 1;
  return inside ? static_cast<T>(clip.zeta - clip.gamma) : T{0};
}

template <class T>
void clipped_attention(Matrix<T> o, Matrix<T> lse, Matrix<T> max_logit, Matrix<T> qkv,
                       Matrix<int32_t> doc_start, const AttentionShape& shape,
                       const ScorePolicy& policy, const SoftClip& clip) {
  attention(o, lse, max_logit, qkv, doc_start, shape, policy);  // o is written again below
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (int64_t n = 0; n < o.rows; ++n) {
    const int64_t b = n / shape.seq, t = n % shape.seq;
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t k_col = shape.q_cols() + head / group * d, v_col = k_col + shape.kv_cols();
      for (int64_t i = 0; i < d; ++i) o(n, head * d + i) = T{0};
      for (int64_t j = doc_start(b, t); j <= t; ++j) {
        const int64_t m = b * shape.seq + j;
        const T s = apply_policy(dot(qkv.row(n) + head * d, qkv.row(m) + k_col, d), policy);
        const T c = clip_probability(std::exp(s - lse(n, head)), clip);
        for (int64_t i = 0; i < d; ++i) o(n, head * d + i) += c * qkv(m, v_col + i);
      }
    }
  }
}

template <class T>
void clipped_attention_bwd(Matrix<T> dqkv, Matrix<T> dout, Matrix<T> lse, Matrix<T> qkv,
                           Matrix<int32_t> doc_start, const AttentionShape& shape,
                           const ScorePolicy& policy, const SoftClip& clip) {
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (int64_t n = 0; n < dqkv.rows; ++n) {
    for (int64_t i = 0; i < shape.qkv_cols(); ++i) dqkv(n, i) = T{0};
  }
  const T scale = static_cast<T>(policy.scale);
  std::vector<T> p(static_cast<size_t>(shape.seq)), dp(p.size()), slope(p.size());
  for (int64_t n = 0; n < dout.rows; ++n) {
    const int64_t b = n / shape.seq, t = n % shape.seq, first = doc_start(b, t);
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t q_col = head * d, k_col = shape.q_cols() + head / group * d;
      const int64_t v_col = k_col + shape.kv_cols();
      T delta{0};
      for (int64_t j = first; j <= t; ++j) {
        const int64_t m = b * shape.seq + j;
        const auto at = static_cast<size_t>(j);
        const T s = apply_policy(dot(qkv.row(n) + q_col, qkv.row(m) + k_col, d), policy);
        p[at] = std::exp(s - lse(n, head));
        dp[at] = clip_slope(p[at], clip) * dot(dout.row(n) + q_col, qkv.row(m) + v_col, d);
        const T ratio = policy.cap > 0 ? s / static_cast<T>(policy.cap) : T{0};
        slope[at] = scale * (T{1} - ratio * ratio);
        delta += p[at] * dp[at];
      }
      for (int64_t j = first; j <= t; ++j) {
        const int64_t m = b * shape.seq + j;
        const auto at = static_cast<size_t>(j);
        const T ds = slope[at] * p[at] * (dp[at] - delta), c = clip_probability(p[at], clip);
        for (int64_t i = 0; i < d; ++i) {
          dqkv(n, q_col + i) += ds * qkv(m, k_col + i);
          dqkv(m, k_col + i) += ds * qkv(n, q_col + i);
          dqkv(m, v_col + i) += c * dout(n, q_col + i);
        }
      }
    }
  }
}

}  // namespace ballast::ref
