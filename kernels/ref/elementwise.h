// add, scale, and the roundings between storage types (IEEE 754 round to nearest, ties to even; NaN
// stays NaN, overflow goes to infinity).
#pragma once

#include <bit>

#include "kernels/ref/matrix.h"

namespace ballast::ref {

template <class T>
void add(Matrix<T> y, Matrix<T> a, Matrix<T> b) {
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t h = 0; h < y.cols; ++h) y(n, h) = a(n, h) + b(n, h);
  }
}

template <class T>
void scale(Matrix<T> y, Matrix<T> x, T factor) {
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t h = 0; h < y.cols; ++h) y(n, h) = factor * x(n, h);
  }
}

inline float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline uint16_t float_to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

inline float f16_to_float(uint16_t bits) {
  const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent == 31) {
    return std::bit_cast<float>((static_cast<uint32_t>(bits & 0x8000) << 16) | 0x7F800000u |
                                (static_cast<uint32_t>(fraction) << 13));
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

inline uint16_t float_to_f16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const float a = std::abs(x);
  if (std::isnan(x)) return static_cast<uint16_t>(sign | 0x7E00);
  if (a >= 65520.0f) return static_cast<uint16_t>(sign | 0x7C00);  // rounds past the largest value
  if (a < 0x1p-14f) {
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(a * 0x1p24f)));
  }
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const uint32_t rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

}  // namespace ballast::ref
