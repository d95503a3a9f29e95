#include "kernels/ref/qk_norm_rope.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

namespace {

// The part of the op's tensors that belongs to sequence b.
AttentionShape one_sequence(const AttentionShape& shape) {
  AttentionShape one = shape;
  one.batch = 1;
  return one;
}
template <class T>
ref::Matrix<T> sequence_of(const Tensor& t, int64_t b, int64_t rows) {
  return t.empty() ? ref::Matrix<T>{} : ref::view<T>(rows_of(t, b * rows, rows));
}

}  // namespace

void CpuBackend::qk_norm_rope(const Tensor& out, const Tensor& q_rstd, const Tensor& k_rstd,
                              const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                              const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                              const AttentionShape& shape, float eps) {
  BALLAST_CHECK(qkv.cols == shape.qkv_cols() && qkv.rows == shape.batch * shape.seq);
  BALLAST_CHECK(shape.head_dim % 2 == 0 && cos.rows >= shape.seq && sin.rows >= shape.seq);
  BALLAST_CHECK(q_gain.empty() == k_gain.empty());
  pool_.parallel_for(shape.batch, 1, [&](int64_t b, int64_t) {
    ref::qk_norm_rope(
        sequence_of<float>(out, b, shape.seq), sequence_of<float>(q_rstd, b, shape.seq),
        sequence_of<float>(k_rstd, b, shape.seq), sequence_of<float>(qkv, b, shape.seq),
        ref::view<float>(q_gain), ref::view<float>(k_gain), ref::view<float>(cos),
        ref::view<float>(sin), sequence_of<int32_t>(doc_start, b, 1), one_sequence(shape), eps);
  });
}

void CpuBackend::qk_norm_rope_bwd(const Tensor& dqkv, const Tensor& dq_gain, const Tensor& dk_gain,
                                  const Tensor& dout, const Tensor& q_rstd, const Tensor& k_rstd,
                                  const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                                  const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                                  const AttentionShape& shape) {
  BALLAST_CHECK(dqkv.cols == shape.qkv_cols() && dqkv.rows == shape.batch * shape.seq);
  BALLAST_CHECK(q_gain.empty() == k_gain.empty());
  ref::qk_norm_rope_bwd(ref::view<float>(dqkv), ref::view<float>(dq_gain),
                        ref::view<float>(dk_gain), ref::view<float>(dout), ref::view<float>(q_rstd),
                        ref::view<float>(k_rstd), ref::view<float>(qkv), ref::view<float>(q_gain),
                        ref::view<float>(k_gain), ref::view<float>(cos), ref::view<float>(sin),
                        ref::view<int32_t>(doc_start), shape);
}

}  // namespace ballast
