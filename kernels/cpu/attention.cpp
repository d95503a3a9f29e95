#include "kernels/ref/attention.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

void CpuBackend::attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                           const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                           const ScorePolicy& policy) {
  BALLAST_CHECK(qkv.cols == shape.qkv_cols() && qkv.rows == shape.batch * shape.seq);
  BALLAST_CHECK(o.cols == shape.q_cols() && o.rows == qkv.rows);
  BALLAST_CHECK(lse.cols == shape.heads && lse.rows == qkv.rows);
  std::vector<float> tops(static_cast<size_t>(shape.batch * shape.heads));
  AttentionShape one = shape;
  one.batch = 1;
  pool_.parallel_for(shape.batch, 1, [&](int64_t b, int64_t) {
    const ref::Matrix<float> top = {tops.data() + b * shape.heads, 1, shape.heads, shape.heads};
    ref::attention(ref::view<float>(rows_of(o, b * shape.seq, shape.seq)),
                   ref::view<float>(rows_of(lse, b * shape.seq, shape.seq)), top,
                   ref::view<float>(rows_of(qkv, b * shape.seq, shape.seq)),
                   ref::view<int32_t>(rows_of(doc_start, b, 1)), one, policy);
  });
  if (max_logit.empty()) return;
  for (int64_t head = 0; head < shape.heads; ++head) {
    float top = tops[static_cast<size_t>(head)];
    for (int64_t b = 1; b < shape.batch; ++b) {
      const float other = tops[static_cast<size_t>(b * shape.heads + head)];
      if (other > top || std::isnan(other)) top = other;
    }
    max_logit.as<float>()[head] = top;
  }
}

void CpuBackend::attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o,
                               const Tensor& lse, const Tensor& qkv, const Tensor& doc_start,
                               const AttentionShape& shape, const ScorePolicy& policy) {
  BALLAST_CHECK(qkv.cols == shape.qkv_cols() && qkv.rows == shape.batch * shape.seq);
  AttentionShape one = shape;
  one.batch = 1;
  pool_.parallel_for(shape.batch, 1, [&](int64_t b, int64_t) {
    const auto sequence = [&](const Tensor& t) {
      return ref::view<float>(rows_of(t, b * shape.seq, shape.seq));
    };
    ref::attention_bwd(sequence(dqkv), sequence(dout), sequence(o), sequence(lse), sequence(qkv),
                       ref::view<int32_t>(rows_of(doc_start, b, 1)), one, policy);
  });
}

}  // namespace ballast
