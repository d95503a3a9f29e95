// Statistics of a tensor, sums in double. Non-finite values are counted and left out of the sums
// and of the maximum.
#pragma once

#include <algorithm>

#include "kernels/ref/matrix.h"
#include "libcore/tensor/backend.h"

namespace ballast::ref {

// out[kStatsCols] = sum x^2, sum x^4, max |x|, non-finite count, zero count.
template <class T>
void stats(double* out, Matrix<T> x) {
  std::fill_n(out, kStatsCols, 0.0);
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int64_t h = 0; h < x.cols; ++h) {
      const double value = static_cast<double>(x(n, h));
      if (!std::isfinite(value)) {
        out[3] += 1;
        continue;
      }
      const double square = value * value;
      out[0] += square;
      out[1] += square * square;
      out[2] = std::max(out[2], std::abs(value));
      out[4] += value == 0 ? 1 : 0;
    }
  }
}

// out (1, blocks): sums of squares of the kFlatBlock-element blocks of x (1, n).
template <class T>
void norm_blocks(double* out, Matrix<T> x) {
  for (int64_t begin = 0; begin < x.cols; begin += kFlatBlock) {
    double sum = 0;
    for (int64_t i = begin; i < std::min(x.cols, begin + kFlatBlock); ++i) {
      sum += static_cast<double>(x(0, i)) * static_cast<double>(x(0, i));
    }
    out[begin / kFlatBlock] = sum;
  }
}

}  // namespace ballast::ref
