#include "kernels/ref/xent.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

void CpuBackend::xent_chunk(const Tensor& loss_rows, const Tensor& lse_rows, const Tensor& logits,
                            const Tensor& labels, const Tensor& weight, int64_t vocab, float z_loss,
                            bool gradient) {
  const int64_t n = logits.rows;
  BALLAST_CHECK(loss_rows.cols == n && lse_rows.cols == n && labels.cols == n && weight.cols == n);
  BALLAST_CHECK(vocab > 0 && vocab <= logits.cols);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t label = labels.as<int32_t>()[i];
    BALLAST_CHECK(weight.as<float>()[i] == 0 || (label >= 0 && label < vocab));
  }
  pool_.parallel_for(n, chunk_of(n, logits.cols), [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    ref::xent_chunk(ref::view<float>(cols_of(loss_rows, begin, count)),
                    ref::view<float>(cols_of(lse_rows, begin, count)),
                    ref::view<float>(rows_of(logits, begin, count)),
                    ref::view<int32_t>(cols_of(labels, begin, count)),
                    ref::view<float>(cols_of(weight, begin, count)), vocab, z_loss, gradient);
  });
}

}  // namespace ballast
