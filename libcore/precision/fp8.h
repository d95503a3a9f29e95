// The two 8-bit floating-point formats of FP8 training, E4M3 (the "fn" kind: no Inf, one NaN per
// sign) and E5M2, after Micikevicius et al., "FP8 formats for deep learning" (2022). Encoding
// rounds to nearest even. With `saturate`, whatever lies past the last rounding tie, Inf included,
// becomes the largest finite value; without it NaN (E4M3) or Inf (E5M2). NaN stays NaN. Pure; any
// thread.
//
// Rounding twice is not rounding once: a value that reached fp32 from fp64, or bf16 from fp32, may
// get another code than its original. Encode from the type that the trainer casts from.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ballast {

enum class Fp8Format { e4m3, e5m2 };

struct Fp8Limits {
  std::string_view name;
  int mantissa_bits;
  int bias;
  float max_finite;
  float last_tie;        // the tie between max_finite and the next binade's step
  bool tie_rounds_down;  // to max_finite (E4M3), else out of the range (E5M2)
  float min_normal;
  float min_subnormal;
  double baseline_db;  // SQNR of bell-shaped data that use the range well (ballast fp8probe(1))
};

inline constexpr Fp8Limits kE4m3 = {"e4m3", 3, 7, 448.0f, 464.0f, true, 0x1p-6f, 0x1p-9f, 31.5};
inline constexpr Fp8Limits kE5m2 = {"e5m2", 2,        15,       57344.0f, 61440.0f,
                                    false,  0x1p-14f, 0x1p-16f, 25.6};

constexpr const Fp8Limits& limits_of(Fp8Format format) {
  return format == Fp8Format::e4m3 ? kE4m3 : kE5m2;
}

uint8_t encode_fp8(float value, Fp8Format format, bool saturate = true);
uint8_t encode_fp8(double value, Fp8Format format, bool saturate = true);
float decode_fp8(uint8_t code, Fp8Format format);

// codes[i] = encode_fp8(values[i] * scale, format): the product is rounded to fp32 first, as
// trainers do. The fastest vector unit present does it; the bits do not depend on which.
void encode_fp8(std::span<const float> values, float scale, Fp8Format format,
                std::span<uint8_t> codes);

}  // namespace ballast
