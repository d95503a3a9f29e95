// Cross-entropy with row weights and z-loss (de Brebisson & Vincent 2016):
//   L = sum over rows of weight * (lse - logit[label] + z_loss * lse^2)
// A row of weight 0 is not read: loss, lse and gradient are 0 there whatever its logits and label.
#pragma once

#include <limits>

#include "kernels/ref/matrix.h"

namespace ballast::ref {

// loss_rows, lse_rows, weight (1, n), logits (n, V) replaced by dL/dlogits when `gradient`.
template <class T>
void xent_chunk(Matrix<T> loss_rows, Matrix<T> lse_rows, Matrix<T> logits, Matrix<int32_t> labels,
                Matrix<T> weight, int64_t vocab, T z_loss, bool gradient) {
  using Real = decltype(real_part(T{}));
  for (int64_t n = 0; n < logits.rows; ++n) {
    T* x = logits.row(n);
    T& lse = lse_rows(0, n);
    lse = loss_rows(0, n) = T{0};
    if (weight(0, n) == T{0}) {
      for (int64_t v = 0; gradient && v < logits.cols; ++v) x[v] = T{0};
      continue;
    }
    Real top = -std::numeric_limits<Real>::infinity();
    for (int64_t v = 0; v < vocab; ++v) {
      if (real_part(x[v]) > top || std::isnan(real_part(x[v]))) top = real_part(x[v]);
    }
    T sum{0};
    for (int64_t v = 0; v < vocab; ++v) sum += std::exp(x[v] - T{top});
    lse = T{top} + std::log(sum);
    loss_rows(0, n) = (T{top} - x[labels(0, n)]) + std::log(sum);
    if (!gradient) continue;
    const T slope = T{1} + T{2} * z_loss * lse;
    for (int64_t v = 0; v < vocab; ++v) {
      const T onehot = v == labels(0, n) ? T{1} : T{0};
      x[v] = weight(0, n) * (slope * std::exp(x[v] - lse) - onehot);
    }
    for (int64_t v = vocab; v < logits.cols; ++v) x[v] = T{0};
  }
}

}  // namespace ballast::ref
