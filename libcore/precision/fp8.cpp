#include "libcore/precision/fp8.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

namespace ballast {
namespace {

template <class Float>
uint8_t encode(Float value, const Fp8Limits& limits, bool saturate) {
  using Bits = std::conditional_t<sizeof(Float) == 4, uint32_t, uint64_t>;
  constexpr int kMantissa = std::numeric_limits<Float>::digits - 1;
  constexpr int kBias = std::numeric_limits<Float>::max_exponent - 1;
  const Bits bits = std::bit_cast<Bits>(value);
  const auto sign = static_cast<uint8_t>((bits >> (sizeof(Float) * 8 - 1)) << 7);
  const Float magnitude = std::abs(value);
  if (std::isnan(magnitude)) return static_cast<uint8_t>(sign | 0x7F);

  const auto tie = static_cast<Float>(limits.last_tie);
  if (magnitude > tie || (magnitude == tie && !limits.tie_rounds_down)) {
    const int largest = limits.mantissa_bits == 3 ? 0x7E : 0x7B;
    return static_cast<uint8_t>(sign | (saturate ? largest : largest + 1));
  }
  if (magnitude < static_cast<Float>(limits.min_normal)) {
    // The last bit of `magic` is worth the smallest subnormal, so the addition does the rounding.
    const Float magic = std::ldexp(static_cast<Float>(limits.min_subnormal), kMantissa);
    const Bits sum = std::bit_cast<Bits>(static_cast<Float>(magnitude + magic));
    return static_cast<uint8_t>(sign | (sum - std::bit_cast<Bits>(magic)));
  }
  const int shift = kMantissa - limits.mantissa_bits;
  const Bits raw = std::bit_cast<Bits>(magnitude);
  const Bits rounded = (raw + ((Bits{1} << (shift - 1)) - 1) + ((raw >> shift) & 1)) >> shift;
  const Bits rebias = static_cast<Bits>(kBias - limits.bias) << limits.mantissa_bits;
  return static_cast<uint8_t>(sign | (rounded - rebias));
}

float decode_slowly(int code, Fp8Format format) {
  const Fp8Limits& limits = limits_of(format);
  const int m = limits.mantissa_bits;
  const int exponent = (code & 0x7F) >> m;
  const int mantissa = code & ((1 << m) - 1);
  float value;
  if (format == Fp8Format::e4m3 ? (code & 0x7F) == 0x7F : (code & 0x7F) > 0x7C) {
    value = std::numeric_limits<float>::quiet_NaN();
  } else if (format == Fp8Format::e5m2 && exponent == 31) {
    value = std::numeric_limits<float>::infinity();
  } else if (exponent == 0) {
    value = static_cast<float>(mantissa) * limits.min_subnormal;
  } else {
    value = std::ldexp(static_cast<float>((1 << m) + mantissa), exponent - limits.bias - m);
  }
  return (code & 0x80) != 0 ? -value : value;
}

std::array<float, 256> decode_table(Fp8Format format) {
  std::array<float, 256> table;
  for (int code = 0; code < 256; ++code) {
    table[static_cast<size_t>(code)] = decode_slowly(code, format);
  }
  return table;
}

}  // namespace

uint8_t encode_fp8(float value, Fp8Format format, bool saturate) {
  return encode(value, limits_of(format), saturate);
}

uint8_t encode_fp8(double value, Fp8Format format, bool saturate) {
  return encode(value, limits_of(format), saturate);
}

float decode_fp8(uint8_t code, Fp8Format format) {
  static const std::array<float, 256> e4m3 = decode_table(Fp8Format::e4m3);
  static const std::array<float, 256> e5m2 = decode_table(Fp8Format::e5m2);
  return format == Fp8Format::e4m3 ? e4m3[code] : e5m2[code];
}

}  // namespace ballast
