// Activations of the feed-forward: SwiGLU (Shazeer 2020) y = silu(gate) * up on rows [gate|up], the
// exact GELU x Phi(x) (Hendrycks & Gimpel 2016; not its tanh approximation) and squared ReLU (So et
// al. 2021).
#pragma once

#include "kernels/ref/matrix.h"
#include "libcore/tensor/backend.h"

namespace ballast::ref {

template <class T>
T sigmoid(T x) {
  return T{1} / (T{1} + std::exp(-x));
}

// By erfc, which keeps its precision in the left tail.
template <class T>
T normal_cdf(T x) {
  return static_cast<T>(0.5) * erfc_of(x * static_cast<T>(-1 / std::numbers::sqrt2));
}

template <class T>
T activate(T x, Activation kind) {
  if (kind == Activation::gelu) return x * normal_cdf(x);
  return real_part(x) <= 0 ? T{0} : x * x;
}

template <class T>
T activate_slope(T x, Activation kind) {
  if (kind == Activation::gelu) {
    const T density = static_cast<T>(std::numbers::inv_sqrtpi / std::numbers::sqrt2) *
                      std::exp(static_cast<T>(-0.5) * x * x);
    return normal_cdf(x) + x * density;
  }
  return real_part(x) <= 0 ? T{0} : T{2} * x;
}

template <class T>
void activation(Matrix<T> y, Matrix<T> x, Activation kind) {
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t i = 0; i < y.cols; ++i) {
      y(n, i) = kind == Activation::swiglu ? x(n, i) * sigmoid(x(n, i)) * x(n, y.cols + i)
                                           : activate(x(n, i), kind);
    }
  }
}

template <class T>
void activation_bwd(Matrix<T> dx, Matrix<T> dy, Matrix<T> x, Activation kind) {
  for (int64_t n = 0; n < dy.rows; ++n) {
    for (int64_t i = 0; i < dy.cols; ++i) {
      if (kind != Activation::swiglu) {
        dx(n, i) = dy(n, i) * activate_slope(x(n, i), kind);
        continue;
      }
      const T gate = x(n, i), up = x(n, dy.cols + i), s = sigmoid(gate), g = dy(n, i);
      dx(n, i) = g * up * s * (T{1} + gate * (T{1} - s));
      dx(n, dy.cols + i) = g * gate * s;
    }
  }
}

}  // namespace ballast::ref
