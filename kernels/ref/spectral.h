// Sigma-reparametrisation (Zhai et al. 2023): hat = gain / sigma * w with sigma = v'wu. The vectors
// of the power iteration are constants of the backward pass, sigma is not:
//   g = <dhat, w> / sigma,   dw += gain / sigma * (dhat - g v u'),   dgain += g.
#pragma once

#include "kernels/ref/gemm.h"

namespace ballast::ref {

// w, hat (m, n), u (1, n), v (1, m), gain, sigma (1, 1).
template <class T>
void spectral_scale(Matrix<T> hat, Matrix<T> sigma, Matrix<T> w, Matrix<T> gain, Matrix<T> u,
                    Matrix<T> v) {
  T sum{0};
  for (int64_t i = 0; i < w.rows; ++i) {
    T row{0};
    for (int64_t j = 0; j < w.cols; ++j) row += w(i, j) * u(0, j);
    sum += v(0, i) * row;
  }
  sigma(0, 0) = sum;
  const T factor = gain(0, 0) / sum;
  for (int64_t i = 0; i < w.rows; ++i) {
    for (int64_t j = 0; j < w.cols; ++j) hat(i, j) = factor * w(i, j);
  }
}

template <class T>
void spectral_scale_bwd(Matrix<T> dw, Matrix<T> dgain, Matrix<T> dhat, Matrix<T> w, Matrix<T> gain,
                        Matrix<T> sigma, Matrix<T> u, Matrix<T> v) {
  T inner{0};
  for (int64_t i = 0; i < w.rows; ++i) {
    for (int64_t j = 0; j < w.cols; ++j) inner += dhat(i, j) * w(i, j);
  }
  const T g = inner / sigma(0, 0), factor = gain(0, 0) / sigma(0, 0);
  dgain(0, 0) += g;
  for (int64_t i = 0; i < w.rows; ++i) {
    for (int64_t j = 0; j < w.cols; ++j) dw(i, j) += factor * (dhat(i, j) - g * v(0, i) * u(0, j));
  }
}

// x / |x|; a zero vector stays one.
template <class T>
void normalise(Matrix<T> x) {
  T squares{0};
  for (int64_t i = 0; i < x.cols; ++i) squares += x(0, i) * x(0, i);
  if (squares == T{0}) return;
  for (int64_t i = 0; i < x.cols; ++i) x(0, i) /= std::sqrt(squares);
}

template <class T>
void power_iteration(Matrix<T> u, Matrix<T> v, Matrix<T> w) {
  gemv(v, w, u, false);
  normalise(v);
  gemv(u, w, v, true);
  normalise(u);
}

}  // namespace ballast::ref
