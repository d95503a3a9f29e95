// Causal attention inside documents: query t of sequence b sees keys doc_start[b, t] .. t.
//   s = policy(q.k),  p = exp(s - lse),  o = sum p v,  lse = log sum exp s
// Backward (Dao et al. 2022, with delta = dout.o):
//   dv += p dout,  ds = p (dout.v - delta),  through the cap ds *= 1 - (s/cap)^2,
//   dq += scale ds k,  dk += scale ds q.
#pragma once

#include <limits>
#include <vector>

#include "kernels/ref/matrix.h"
#include "libcore/tensor/backend.h"

namespace ballast::ref {

template <class T>
T dot(const T* a, const T* b, int64_t n) {
  T sum{0};
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

template <class T>
T apply_policy(T score, const ScorePolicy& policy) {
  const T scaled = static_cast<T>(policy.scale) * score;
  if (policy.cap <= 0) return scaled;
  const T cap = static_cast<T>(policy.cap);
  return cap * std::tanh(scaled / cap);
}

// A NaN score makes its head's max_logit NaN; lse of a row with a NaN or +Inf score is NaN.
template <class T>
void attention(Matrix<T> o, Matrix<T> lse, Matrix<T> max_logit, Matrix<T> qkv,
               Matrix<int32_t> doc_start, const AttentionShape& shape, const ScorePolicy& policy) {
  using Real = decltype(real_part(T{}));
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (int64_t i = 0; i < max_logit.cols; ++i) {
    max_logit(0, i) = T{-std::numeric_limits<Real>::infinity()};
  }
  std::vector<T> p(static_cast<size_t>(shape.seq));
  for (int64_t n = 0; n < o.rows; ++n) {
    const int64_t b = n / shape.seq, t = n % shape.seq, begin = doc_start(b, t);
    for (int64_t head = 0; head < shape.heads; ++head) {
      const T* q = qkv.row(n) + head * d;
      const int64_t k_col = shape.q_cols() + head / group * d;
      const int64_t v_col = k_col + shape.kv_cols();
      Real top = -std::numeric_limits<Real>::infinity();
      for (int64_t j = begin; j <= t; ++j) {
        const T s = apply_policy(dot(q, qkv.row(b * shape.seq + j) + k_col, d), policy);
        p[static_cast<size_t>(j)] = s;
        if (real_part(s) > top || std::isnan(real_part(s))) top = real_part(s);
      }
      T sum{0};
      for (int64_t j = begin; j <= t; ++j) {
        T& pj = p[static_cast<size_t>(j)];
        pj = std::exp(pj - T{top});
        sum += pj;
      }
      for (int64_t i = 0; i < d; ++i) {
        T value{0};
        for (int64_t j = begin; j <= t; ++j) {
          value += p[static_cast<size_t>(j)] * qkv(b * shape.seq + j, v_col + i);
        }
        o(n, head * d + i) = value / sum;
      }
      lse(n, head) = T{top} + std::log(sum);
      if (max_logit.empty()) continue;
      if (top > real_part(max_logit(0, head)) || std::isnan(top)) max_logit(0, head) = T{top};
    }
  }
}

template <class T>
void attention_bwd(Matrix<T> dqkv, Matrix<T> dout, Matrix<T> o, Matrix<T> lse, Matrix<T> qkv,
                   Matrix<int32_t> doc_start, const AttentionShape& shape,
                   const ScorePolicy& policy) {
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (int64_t n = 0; n < dqkv.rows; ++n) {
    for (int64_t i = 0; i < shape.qkv_cols(); ++i) dqkv(n, i) = T{0};
  }
  const T scale = static_cast<T>(policy.scale);
  for (int64_t n = 0; n < o.rows; ++n) {
    const int64_t b = n / shape.seq, t = n % shape.seq;
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t q_col = head * d, k_col = shape.q_cols() + head / group * d;
      const int64_t v_col = k_col + shape.kv_cols();
      const T delta = dot(dout.row(n) + q_col, o.row(n) + q_col, d);
      for (int64_t j = doc_start(b, t); j <= t; ++j) {
        const int64_t m = b * shape.seq + j;
        const T s = apply_policy(dot(qkv.row(n) + q_col, qkv.row(m) + k_col, d), policy);
        const T p = std::exp(s - lse(n, head));
        T ds = p * (dot(dout.row(n) + q_col, qkv.row(m) + v_col, d) - delta);
        if (policy.cap > 0) {
          const T ratio = s / static_cast<T>(policy.cap);
          ds *= T{1} - ratio * ratio;
        }
        for (int64_t i = 0; i < d; ++i) {
          dqkv(n, q_col + i) += scale * ds * qkv(m, k_col + i);
          dqkv(m, k_col + i) += scale * ds * qkv(n, q_col + i);
          dqkv(m, v_col + i) += p * dout(n, q_col + i);
        }
      }
    }
  }
}

}  // namespace ballast::ref
