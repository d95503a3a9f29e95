// Matrix<T>: what the reference ops work on, a view with one row stride as Tensor is, but typed.
// The ops of kernels/ref are templates over T: float (a first CPU version), double (what fast
// kernels are compared with) and std::complex<double>. A complex value is always a complex step: a
// real value with a tiny imaginary part that carries its derivative (Squire & Trapp 1998), so
// branches look at real parts only.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>

#include "libcore/tensor/tensor.h"

namespace ballast::ref {

template <class T>
struct Matrix {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  T& operator()(int64_t r, int64_t c) const { return data[r * stride + c]; }
  T* row(int64_t r) const { return data + r * stride; }
  bool empty() const { return data == nullptr; }
};

template <class T>
Matrix<T> view(const Tensor& t) {
  BALLAST_CHECK(t.empty() || static_cast<int64_t>(sizeof(T)) == bytes_of(t.dtype));
  return {t.as<T>(), t.rows, t.cols, t.stride};
}

inline float real_part(float x) { return x; }
inline double real_part(double x) { return x; }
inline double real_part(const std::complex<double>& x) { return x.real(); }

inline float erfc_of(float x) { return std::erfc(x); }
inline double erfc_of(double x) { return std::erfc(x); }
// Exact to first order in the imaginary part, which is all that a complex step needs.
inline std::complex<double> erfc_of(const std::complex<double>& x) {
  const double slope = -2 * std::numbers::inv_sqrtpi * std::exp(-x.real() * x.real());
  return {std::erfc(x.real()), slope * x.imag()};
}

}  // namespace ballast::ref
