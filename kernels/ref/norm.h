// RMSNorm (Zhang & Sennrich 2019): y = x * r * w with r = (mean x^2 + eps)^-1/2 per row. Backward:
//   dx = r * (w * dy) - x * r^3 / H * sum(w * dy * x),   dw = sum over rows of dy * x * r.
#pragma once

#include "kernels/ref/matrix.h"

namespace ballast::ref {

template <class T>
T norm_row(T* y, const T* x, const T* w, int64_t n, T eps) {
  T sum{0};
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  const T r = T{1} / std::sqrt(sum / static_cast<T>(static_cast<double>(n)) + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * r * w[i];
  return r;
}

// dw accumulates; dx may alias dy.
template <class T>
void norm_row_bwd(T* dx, T* dw, const T* dy, const T* x, const T* w, T r, int64_t n) {
  T sum{0};
  for (int64_t i = 0; i < n; ++i) sum += w[i] * dy[i] * x[i];
  const T slope = r * r * r * sum / static_cast<T>(static_cast<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    dw[i] += dy[i] * x[i] * r;
    dx[i] = r * w[i] * dy[i] - x[i] * slope;
  }
}

// y, x (N, H), w (1, H), rstd (1, N).
template <class T>
void norm(Matrix<T> y, Matrix<T> rstd, Matrix<T> x, Matrix<T> w, T eps) {
  for (int64_t n = 0; n < x.rows; ++n) {
    rstd(0, n) = norm_row(y.row(n), x.row(n), w.row(0), x.cols, eps);
  }
}

template <class T>
void add_norm(Matrix<T> y, Matrix<T> rstd, Matrix<T> sum, Matrix<T> x, Matrix<T> branch,
              Matrix<T> w, T eps) {
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int64_t h = 0; h < x.cols; ++h) sum(n, h) = x(n, h) + branch(n, h);
  }
  norm(y, rstd, sum, w, eps);
}

template <class T>
void norm_bwd(Matrix<T> dx, Matrix<T> dw, Matrix<T> dy, Matrix<T> x, Matrix<T> w, Matrix<T> rstd) {
  for (int64_t n = 0; n < x.rows; ++n) {
    norm_row_bwd(dx.row(n), dw.row(0), dy.row(n), x.row(n), w.row(0), rstd(0, n), x.cols);
  }
}

}  // namespace ballast::ref
