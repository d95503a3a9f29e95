// Per-head RMSNorm and turning of heads in vectors, one row at a time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/qk_norm_rope.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/norm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// `heads` heads side by side; out may alias x. direction is 1 or -1.
void rotate_heads(float* out, const float* x, const float* cos, const float* sin, int64_t heads,
                  int64_t half, float direction) {
  const Vector sign = hn::Set(Floats(), direction);
  for (int64_t i = 0; i < half; i += lanes()) {
    const int64_t left = half - i;
    const Vector c = load_up_to(cos + i, left), s = hn::Mul(sign, load_up_to(sin + i, left));
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t at = head * 2 * half + i;
      const Vector low = load_up_to(x + at, left), high = load_up_to(x + at + half, left);
      store_up_to(hn::NegMulAdd(high, s, hn::Mul(low, c)), out + at, left);
      store_up_to(hn::MulAdd(low, s, hn::Mul(high, c)), out + at + half, left);
    }
  }
}

// rstd of every head; out must not alias x.
void norm_heads(float* out, float* rstd, const float* x, const float* gain, int64_t heads,
                int64_t dim, float eps) {
  for (int64_t h = 0; h < heads; ++h) rstd[h] = rms_run(out + h * dim, x + h * dim, gain, dim, eps);
}

// dx holds the gradient of the norms' outputs on entry.
void norm_heads_bwd(float* dx, float* dgain, const float* x, const float* gain, const float* rstd,
                    int64_t heads, int64_t dim) {
  for (int64_t h = 0; h < heads; ++h)
    rms_run_bwd(dx + h * dim, dgain, dx + h * dim, x + h * dim, gain, rstd[h], dim);
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(rotate_heads);
HWY_EXPORT(norm_heads);
HWY_EXPORT(norm_heads_bwd);

namespace {

void check_shapes(const Tensor& qkv, const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                  const Tensor& q_gain, const Tensor& k_gain, const AttentionShape& s) {
  BALLAST_CHECK(qkv.cols == s.qkv_cols() && qkv.rows == s.batch * s.seq);
  BALLAST_CHECK(s.head_dim % 2 == 0 && cos.cols == s.head_dim / 2 && sin.cols == s.head_dim / 2);
  BALLAST_CHECK(cos.rows >= s.seq && sin.rows >= s.seq);
  BALLAST_CHECK(doc_start.rows == s.batch && doc_start.cols == s.seq);
  BALLAST_CHECK(q_gain.empty() == k_gain.empty());
}

// Row n of the tables: its position in its document.
int64_t position_of(int64_t n, const Tensor& doc_start, const AttentionShape& s) {
  return n % s.seq - doc_start.row<int32_t>(n / s.seq)[n % s.seq];
}

// Rows [begin, end) without a norm.
void turn_rows(const Tensor& out, const Tensor& x, const Tensor& cos, const Tensor& sin,
               const Tensor& doc_start, const AttentionShape& s, float direction, int64_t begin,
               int64_t end) {
  const int64_t turned = s.heads + s.kv_heads;
  for (int64_t n = begin; n < end; ++n) {
    const int64_t position = position_of(n, doc_start, s);
    HWY_DYNAMIC_DISPATCH(rotate_heads)
    (out.row<float>(n), x.row<float>(n), cos.row<float>(position), sin.row<float>(position), turned,
     s.head_dim / 2, direction);
    if (out.data == x.data) continue;
    std::copy_n(x.row<float>(n) + turned * s.head_dim, s.kv_cols(),
                out.row<float>(n) + turned * s.head_dim);
  }
}

}  // namespace

void CpuBackend::qk_norm_rope(const Tensor& out, const Tensor& q_rstd, const Tensor& k_rstd,
                              const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                              const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                              const AttentionShape& shape, float eps) {
  check_shapes(qkv, cos, sin, doc_start, q_gain, k_gain, shape);
  BALLAST_CHECK(out.rows == qkv.rows && out.cols == qkv.cols);
  pool_.parallel_for(qkv.rows, chunk_of(qkv.rows, qkv.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end && !q_gain.empty(); ++n) {
      const int64_t q_cols = shape.q_cols();
      HWY_DYNAMIC_DISPATCH(norm_heads)
      (out.row<float>(n), q_rstd.row<float>(n), qkv.row<float>(n), q_gain.as<float>(), shape.heads,
       shape.head_dim, eps);
      HWY_DYNAMIC_DISPATCH(norm_heads)
      (out.row<float>(n) + q_cols, k_rstd.row<float>(n), qkv.row<float>(n) + q_cols,
       k_gain.as<float>(), shape.kv_heads, shape.head_dim, eps);
      std::copy_n(qkv.row<float>(n) + q_cols + shape.kv_cols(), shape.kv_cols(),
                  out.row<float>(n) + q_cols + shape.kv_cols());
    }
    turn_rows(out, q_gain.empty() ? qkv : out, cos, sin, doc_start, shape, 1, begin, end);
  });
}

void CpuBackend::qk_norm_rope_bwd(const Tensor& dqkv, const Tensor& dq_gain, const Tensor& dk_gain,
                                  const Tensor& dout, const Tensor& q_rstd, const Tensor& k_rstd,
                                  const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                                  const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                                  const AttentionShape& shape) {
  check_shapes(dqkv, cos, sin, doc_start, q_gain, k_gain, shape);
  BALLAST_CHECK(dout.rows == dqkv.rows && dout.cols == dqkv.cols);
  if (q_gain.empty()) {
    pool_.parallel_for(dqkv.rows, chunk_of(dqkv.rows, dqkv.cols), [&](int64_t begin, int64_t end) {
      turn_rows(dqkv, dout, cos, sin, doc_start, shape, -1, begin, end);
    });
    return;
  }
  const int64_t d = shape.head_dim;
  std::vector<float> gains(static_cast<size_t>(2 * d));  // dq_gain, dk_gain side by side
  accumulate_rows(gains.data(), dqkv.rows, 2 * d, [&](int64_t begin, int64_t end, float* partial) {
    turn_rows(dqkv, dout, cos, sin, doc_start, shape, -1, begin, end);
    for (int64_t n = begin; n < end; ++n) {
      const int64_t q_cols = shape.q_cols();
      HWY_DYNAMIC_DISPATCH(norm_heads_bwd)
      (dqkv.row<float>(n), partial, qkv.row<float>(n), q_gain.as<float>(), q_rstd.row<float>(n),
       shape.heads, d);
      HWY_DYNAMIC_DISPATCH(norm_heads_bwd)
      (dqkv.row<float>(n) + q_cols, partial + d, qkv.row<float>(n) + q_cols, k_gain.as<float>(),
       k_rstd.row<float>(n), shape.kv_heads, d);
    }
  });
  for (int64_t i = 0; i < d; ++i) {
    dq_gain.as<float>()[i] += gains[static_cast<size_t>(i)];
    dk_gain.as<float>()[i] += gains[static_cast<size_t>(d + i)];
  }
}

}  // namespace ballast
#endif  // HWY_ONCE
