// D (m, n) = alpha * op(A) (m, k) * op(B) (k, n) + beta * C (m, n), and matrix times vector.
// beta = 0 never reads C, so an unwritten D may hold NaN.
#pragma once

#include "kernels/ref/matrix.h"

namespace ballast::ref {

template <class T>
void gemm(Matrix<T> d, Matrix<T> a, Matrix<T> b, bool transpose_a, bool transpose_b, T alpha,
          T beta, Matrix<T> c) {
  const int64_t k = transpose_a ? a.rows : a.cols;
  for (int64_t i = 0; i < d.rows; ++i) {
    for (int64_t j = 0; j < d.cols; ++j) {
      T sum{0};
      for (int64_t l = 0; l < k; ++l) {
        sum += (transpose_a ? a(l, i) : a(i, l)) * (transpose_b ? b(j, l) : b(l, j));
      }
      d(i, j) = beta == T{0} ? alpha * sum : alpha * sum + beta * c(i, j);
    }
  }
}

// y (1, m) = A (m, k) x (1, k), or y (1, k) = A^T x (1, m) with `transpose`.
template <class T>
void gemv(Matrix<T> y, Matrix<T> a, Matrix<T> x, bool transpose) {
  for (int64_t i = 0; i < y.cols; ++i) {
    T sum{0};
    for (int64_t l = 0; l < x.cols; ++l) sum += (transpose ? a(l, i) : a(i, l)) * x(0, l);
    y(0, i) = sum;
  }
}

}  // namespace ballast::ref
