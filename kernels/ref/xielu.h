// xIELU (Huang & Schlag, arXiv 2411.13010), beta = 1/2, on raw scalars alpha = [p, n]:
//   ap = softplus(p), an = beta + softplus(n)
//   x > 0:  f = ap x^2 + beta x,                 f' = 2 ap x + beta
//   x <= 0: f = an (expm1(x) - x) + beta x,      f' = an expm1(x) + beta
// df/dap = x^2 and df/dan = expm1(x) - x on their sides; dp = dap sigmoid(p), dn = dan sigmoid(n).
// The slope is exact everywhere: at 0 both sides have beta.
#pragma once

#include "kernels/ref/activation.h"

namespace ballast::ref {

inline constexpr double kXieluBeta = 0.5;

inline float expm1_of(float x) { return std::expm1(x); }
inline double expm1_of(double x) { return std::expm1(x); }
// Exact to first order in the imaginary part, which is all that a complex step needs.
inline std::complex<double> expm1_of(const std::complex<double>& x) {
  return {std::expm1(x.real()), std::exp(x.real()) * x.imag()};
}

// log(1 + e^x) without overflow.
template <class T>
T softplus(T x) {
  return real_part(x) > 0 ? x + std::log(T{1} + std::exp(-x)) : std::log(T{1} + std::exp(x));
}

template <class T>
struct XieluSlopes {
  T positive, negative;  // ap, an
};
template <class T>
XieluSlopes<T> xielu_slopes(Matrix<T> alpha) {
  return {softplus(alpha(0, 0)), static_cast<T>(kXieluBeta) + softplus(alpha(0, 1))};
}

template <class T>
void xielu(Matrix<T> y, Matrix<T> x, Matrix<T> alpha) {
  const auto [positive, negative] = xielu_slopes(alpha);
  const T beta = static_cast<T>(kXieluBeta);
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int64_t i = 0; i < x.cols; ++i) {
      const T v = x(n, i);
      y(n, i) =
          real_part(v) > 0 ? positive * v * v + beta * v : negative * (expm1_of(v) - v) + beta * v;
    }
  }
}

// dalpha accumulates; dx may alias dy.
template <class T>
void xielu_bwd(Matrix<T> dx, Matrix<T> dalpha, Matrix<T> dy, Matrix<T> x, Matrix<T> alpha) {
  const auto [positive, negative] = xielu_slopes(alpha);
  const T beta = static_cast<T>(kXieluBeta);
  T dpositive{0}, dnegative{0};
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int64_t i = 0; i < x.cols; ++i) {
      const T v = x(n, i), g = dy(n, i);
      if (real_part(v) > 0) {
        dpositive += g * v * v;
        dx(n, i) = g * (T{2} * positive * v + beta);
      } else {
        dnegative += g * (expm1_of(v) - v);
        dx(n, i) = g * (negative * expm1_of(v) + beta);
      }
    }
  }
  dalpha(0, 0) += dpositive * sigmoid(alpha(0, 0));
  dalpha(0, 1) += dnegative * sigmoid(alpha(0, 1));
}

}  // namespace ballast::ref
