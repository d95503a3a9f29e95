// Per-head RMSNorm of q and k (skipped without gains), then half-split rotary positions (Su et al.
// 2021, the layout of Hugging Face's rotate_half): with h = D/2 and position p,
//   out[i] = x[i] cos[p, i] - x[i+h] sin[p, i],   out[i+h] = x[i+h] cos[p, i] + x[i] sin[p, i].
// p = t - doc_start[b, t]. v is copied. The backward turns by the opposite angle, then goes through
// the norm.
#pragma once

#include <vector>

#include "kernels/ref/norm.h"
#include "libcore/tensor/backend.h"

namespace ballast::ref {

// out may alias x.
template <class T>
void rotate(T* out, const T* x, const T* cos, const T* sin, int64_t half, T direction) {
  for (int64_t i = 0; i < half; ++i) {
    const T low = x[i], high = x[i + half];
    out[i] = low * cos[i] - direction * high * sin[i];
    out[i + half] = high * cos[i] + direction * low * sin[i];
  }
}

// out, qkv (N, qkv_cols), q_rstd (N, NH), k_rstd (N, NKV), gains (1, D), cos, sin (T, D/2),
// doc_start (B, T).
template <class T>
void qk_norm_rope(Matrix<T> out, Matrix<T> q_rstd, Matrix<T> k_rstd, Matrix<T> qkv,
                  Matrix<T> q_gain, Matrix<T> k_gain, Matrix<T> cos, Matrix<T> sin,
                  Matrix<int32_t> doc_start, const AttentionShape& shape, T eps) {
  const int64_t d = shape.head_dim, turned = shape.heads + shape.kv_heads;
  std::vector<T> normed(static_cast<size_t>(d));
  for (int64_t n = 0; n < qkv.rows; ++n) {
    const int64_t b = n / shape.seq, t = n % shape.seq;
    const int64_t position = t - doc_start(b, t);
    for (int64_t head = 0; head < turned; ++head) {
      const bool is_q = head < shape.heads;
      const T* x = qkv.row(n) + head * d;
      if (!q_gain.empty()) {
        T& rstd = is_q ? q_rstd(n, head) : k_rstd(n, head - shape.heads);
        rstd = norm_row(normed.data(), x, (is_q ? q_gain : k_gain).row(0), d, eps);
        x = normed.data();
      }
      rotate(out.row(n) + head * d, x, cos.row(position), sin.row(position), d / 2, T{1});
    }
    for (int64_t i = turned * d; i < shape.qkv_cols(); ++i) out(n, i) = qkv(n, i);
  }
}

template <class T>
void qk_norm_rope_bwd(Matrix<T> dqkv, Matrix<T> dq_gain, Matrix<T> dk_gain, Matrix<T> dout,
                      Matrix<T> q_rstd, Matrix<T> k_rstd, Matrix<T> qkv, Matrix<T> q_gain,
                      Matrix<T> k_gain, Matrix<T> cos, Matrix<T> sin, Matrix<int32_t> doc_start,
                      const AttentionShape& shape) {
  const int64_t d = shape.head_dim, turned = shape.heads + shape.kv_heads;
  for (int64_t n = 0; n < dout.rows; ++n) {
    const int64_t b = n / shape.seq, t = n % shape.seq;
    const int64_t position = t - doc_start(b, t);
    for (int64_t head = 0; head < turned; ++head) {
      const bool is_q = head < shape.heads;
      T* dx = dqkv.row(n) + head * d;
      rotate(dx, dout.row(n) + head * d, cos.row(position), sin.row(position), d / 2, T{-1});
      if (q_gain.empty()) continue;
      const T rstd = is_q ? q_rstd(n, head) : k_rstd(n, head - shape.heads);
      norm_row_bwd(dx, (is_q ? dq_gain : dk_gain).row(0), dx, qkv.row(n) + head * d,
                   (is_q ? q_gain : k_gain).row(0), rstd, d);
    }
    for (int64_t i = turned * d; i < shape.qkv_cols(); ++i) dqkv(n, i) = dout(n, i);
  }
}

}  // namespace ballast::ref
