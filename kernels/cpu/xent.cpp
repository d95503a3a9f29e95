// Cross-entropy rows in three passes over a row that stays in a near cache: maximum, sum of
// exponentials (kept in place when a gradient is wanted), gradient.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/xent.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// The first `left` lanes of v, minus infinity behind them.
HWY_INLINE Vector pad_low(Vector v, int64_t left) {
  const Floats d;
  if (HWY_LIKELY(left >= lanes())) return v;
  return hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(left)), v,
                        hn::Set(d, -std::numeric_limits<float>::infinity()));
}

// Over [0, n). A NaN may be lost here; the sum finds it again.
HWY_INLINE float row_top(const float* x, int64_t n) {
  const Floats d;
  const Vector low = hn::Set(d, -std::numeric_limits<float>::infinity());
  const int64_t w = lanes();
  Vector top[4] = {low, low, low, low};
  int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    for (int64_t v = 0; v < 4; ++v) top[v] = hn::Max(top[v], hn::LoadU(d, x + i + v * w));
  }
  for (; i < n; i += w) top[0] = hn::Max(top[0], pad_low(load_up_to(x + i, n - i), n - i));
  return max_of(hn::Max(hn::Max(top[0], top[1]), hn::Max(top[2], top[3])));
}

// Sum of exp(x - top) over [0, n); with kKeep x becomes exp(x - top).
template <bool kKeep>
HWY_INLINE float row_exp(float* x, int64_t n, float top) {
  const Floats d;
  const Vector shift = hn::Set(d, top);
  const int64_t w = lanes();
  Vector sum[2] = {hn::Zero(d), hn::Zero(d)};
  int64_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {
    for (int64_t v = 0; v < 2; ++v) {
      const Vector p = exp_of(hn::Sub(hn::LoadU(d, x + i + v * w), shift));
      sum[v] = hn::Add(sum[v], p);
      if (kKeep) hn::StoreU(p, d, x + i + v * w);
    }
  }
  for (; i < n; i += w) {
    const Vector p = exp_of(hn::Sub(pad_low(load_up_to(x + i, n - i), n - i), shift));
    sum[0] = hn::Add(sum[0], p);
    if (kKeep) store_up_to(p, x + i, n - i);
  }
  return sum_of(hn::Add(sum[0], sum[1]));
}

// loss and lse of one row of weight != 0; with `gradient`, x (padded) becomes dlogits.
void xent_row(float* loss, float* lse, float* x, int64_t label, float weight, int64_t vocab,
              int64_t padded, float z_loss, bool gradient) {
  const float top = row_top(x, vocab), of_label = x[label];
  const float sum = gradient ? row_exp<true>(x, vocab, top) : row_exp<false>(x, vocab, top);
  const float log_sum = std::log(sum);
  *lse = top + log_sum;
  *loss = (top - of_label) + log_sum;  // exact also where lse has no digits left for log_sum
  if (!gradient) return;
  // softmax = exp(x - top) / sum
  const Vector factor = hn::Set(Floats(), weight * (1 + 2 * z_loss * *lse) / sum);
  for (int64_t i = 0; i < vocab; i += lanes()) {
    store_up_to(hn::Mul(factor, load_up_to(x + i, vocab - i)), x + i, vocab - i);
  }
  x[label] -= weight;
  std::fill(x + vocab, x + padded, 0.0f);
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(xent_row);

void CpuBackend::xent_chunk(const Tensor& loss_rows, const Tensor& lse_rows, const Tensor& logits,
                            const Tensor& labels, const Tensor& weight, int64_t vocab, float z_loss,
                            bool gradient) {
  const int64_t rows = logits.rows;
  BALLAST_CHECK(loss_rows.cols == rows && lse_rows.cols == rows && labels.cols == rows &&
                weight.cols == rows);
  BALLAST_CHECK(vocab > 0 && vocab <= logits.cols);
  pool_.parallel_for(rows, chunk_of(rows, logits.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float *loss = loss_rows.as<float>() + n, *lse = lse_rows.as<float>() + n;
      const float w = weight.as<float>()[n];
      if (w == 0) {
        *loss = *lse = 0;
        if (gradient) std::fill_n(logits.row<float>(n), logits.cols, 0.0f);
        continue;
      }
      const int32_t label = labels.as<int32_t>()[n];
      BALLAST_CHECK(label >= 0 && label < vocab);
      HWY_DYNAMIC_DISPATCH(xent_row)
      (loss, lse, logits.row<float>(n), label, w, vocab, logits.cols, z_loss, gradient);
    }
  });
}

}  // namespace ballast
#endif  // HWY_ONCE
