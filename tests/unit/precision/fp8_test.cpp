#include "libcore/precision/fp8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "libcore/base/rng.h"
#include "libcore/precision/half.h"

namespace ballast {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Vector {
  double input;
  int e4m3_sat, e4m3_nosat, e5m2_sat, e5m2_nosat;
};

// Published vectors, checked against the conversions of the CUDA 13.0 headers.
const Vector kVectors[] = {
    {0.0, 0x00, 0x00, 0x00, 0x00},           {-0.0, 0x80, 0x80, 0x80, 0x80},
    {448, 0x7E, 0x7E, 0x5F, 0x5F},           {456, 0x7E, 0x7E, 0x5F, 0x5F},
    {463.99, 0x7E, 0x7E, 0x5F, 0x5F},        {464, 0x7E, 0x7E, 0x5F, 0x5F},
    {464.01, 0x7E, 0x7F, 0x5F, 0x5F},        {465, 0x7E, 0x7F, 0x5F, 0x5F},
    {480, 0x7E, 0x7F, 0x60, 0x60},           {57344, 0x7E, 0x7F, 0x7B, 0x7B},
    {61439, 0x7E, 0x7F, 0x7B, 0x7B},         {61440, 0x7E, 0x7F, 0x7B, 0x7C},
    {1e38, 0x7E, 0x7F, 0x7B, 0x7C},          {HUGE_VAL, 0x7E, 0x7F, 0x7B, 0x7C},
    {-HUGE_VAL, 0xFE, 0xFF, 0xFB, 0xFC},     {0x1p-9, 0x01, 0x01, 0x18, 0x18},
    {0x1p-10, 0x00, 0x00, 0x14, 0x14},       {1.5 * 0x1p-9, 0x02, 0x02, 0x1A, 0x1A},
    {7 * 0x1p-9, 0x07, 0x07, 0x23, 0x23},    {7.5 * 0x1p-9, 0x08, 0x08, 0x24, 0x24},
    {0x1p-6, 0x08, 0x08, 0x24, 0x24},        {0x1p-16, 0x00, 0x00, 0x01, 0x01},
    {0x1p-17, 0x00, 0x00, 0x00, 0x00},       {1.5 * 0x1p-16, 0x00, 0x00, 0x02, 0x02},
    {3.5 * 0x1p-16, 0x00, 0x00, 0x04, 0x04}, {0x1p-14, 0x00, 0x00, 0x04, 0x04},
    {1.0625, 0x38, 0x38, 0x3C, 0x3C},        {1.1875, 0x3A, 0x3A, 0x3D, 0x3D},
    {1.375, 0x3B, 0x3B, 0x3E, 0x3E},
};

TEST(Fp8, EncodesThePublishedVectorsFromBothWidths) {
  for (const Vector& v : kVectors) {
    const auto narrow = static_cast<float>(v.input);
    EXPECT_EQ(encode_fp8(v.input, Fp8Format::e4m3, true), v.e4m3_sat) << v.input;
    EXPECT_EQ(encode_fp8(v.input, Fp8Format::e4m3, false), v.e4m3_nosat) << v.input;
    EXPECT_EQ(encode_fp8(v.input, Fp8Format::e5m2, true), v.e5m2_sat) << v.input;
    EXPECT_EQ(encode_fp8(v.input, Fp8Format::e5m2, false), v.e5m2_nosat) << v.input;
    EXPECT_EQ(encode_fp8(narrow, Fp8Format::e4m3, true), v.e4m3_sat) << v.input;
    EXPECT_EQ(encode_fp8(narrow, Fp8Format::e4m3, false), v.e4m3_nosat) << v.input;
    EXPECT_EQ(encode_fp8(narrow, Fp8Format::e5m2, true), v.e5m2_sat) << v.input;
    EXPECT_EQ(encode_fp8(narrow, Fp8Format::e5m2, false), v.e5m2_nosat) << v.input;
  }
}

TEST(Fp8, KeepsNanANanInEveryMode) {
  for (Fp8Format format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
    for (bool saturate : {true, false}) {
      EXPECT_TRUE(std::isnan(decode_fp8(encode_fp8(kNan, format, saturate), format)));
      EXPECT_TRUE(std::isnan(decode_fp8(encode_fp8(-kNan, format, saturate), format)));
      EXPECT_TRUE(std::isnan(decode_fp8(encode_fp8(double{kNan}, format, saturate), format)));
    }
  }
}

TEST(Fp8, RoundingTwiceThroughFloatLosesTheTie) {
  const double above_tie = std::nextafter(0x1p-10, 1.0);
  EXPECT_EQ(encode_fp8(above_tie, Fp8Format::e4m3), 0x01);
  EXPECT_EQ(encode_fp8(static_cast<float>(above_tie), Fp8Format::e4m3), 0x00);
  // bf16 on the way moves 1.0625 + 2^-10 onto the tie.
  const float value = 1.0625f + 0x1p-10f;
  EXPECT_EQ(encode_fp8(value, Fp8Format::e4m3), 0x39);
  EXPECT_EQ(encode_fp8(bf16_to_float(float_to_bf16(value)), Fp8Format::e4m3), 0x38);
}

TEST(Fp8, DecodesEveryCodeAndEncodesItBack) {
  EXPECT_EQ(decode_fp8(0x7E, Fp8Format::e4m3), 448.0f);
  EXPECT_EQ(decode_fp8(0x01, Fp8Format::e4m3), 0x1p-9f);
  EXPECT_EQ(decode_fp8(0x08, Fp8Format::e4m3), 0x1p-6f);
  EXPECT_EQ(decode_fp8(0x7B, Fp8Format::e5m2), 57344.0f);
  EXPECT_EQ(decode_fp8(0xFC, Fp8Format::e5m2), -kInf);
  int finite_values = 0;
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    const float e4m3 = decode_fp8(byte, Fp8Format::e4m3);
    EXPECT_EQ(std::isnan(e4m3), (code & 0x7F) == 0x7F);
    if (!std::isnan(e4m3)) {
      EXPECT_EQ(encode_fp8(e4m3, Fp8Format::e4m3, false), code);
    }
    if (std::isfinite(e4m3)) ++finite_values;
    // E5M2 is the high byte of fp16.
    const float e5m2 = decode_fp8(byte, Fp8Format::e5m2);
    const float by_half = f16_to_float(static_cast<uint16_t>(code << 8));
    EXPECT_TRUE(e5m2 == by_half || (std::isnan(e5m2) && std::isnan(by_half))) << code;
    if (!std::isnan(e5m2)) {
      EXPECT_EQ(encode_fp8(e5m2, Fp8Format::e5m2, false), code);
    }
  }
  EXPECT_EQ(finite_values - 1, 253);  // distinct: the two zeros are one value
}

// Nearest code by search through the decoded values, ties to the even code.
int nearest_code(double magnitude, Fp8Format format) {
  const int largest = format == Fp8Format::e4m3 ? 0x7E : 0x7B;
  int best = 0;
  for (int code = 1; code <= largest; ++code) {
    const double gap = std::abs(double{decode_fp8(static_cast<uint8_t>(code), format)} - magnitude);
    const double known =
        std::abs(double{decode_fp8(static_cast<uint8_t>(best), format)} - magnitude);
    if (gap < known || (gap == known && code % 2 == 0)) best = code;
  }
  return best;
}

TEST(Fp8, RoundsEveryBfloatToTheNearestCode) {
  for (Fp8Format format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
    for (uint32_t bits = 0; bits < 0x7F80; ++bits) {
      const float value = bf16_to_float(static_cast<uint16_t>(bits));
      ASSERT_EQ(encode_fp8(value, format),
                nearest_code(std::min(value, limits_of(format).max_finite), format))
          << value;
      ASSERT_EQ(encode_fp8(-value, format),
                nearest_code(std::min(value, limits_of(format).max_finite), format) | 0x80)
          << value;
    }
  }
}

bool same_code(uint8_t a, uint8_t b, Fp8Format format) {
  return a == b || (std::isnan(decode_fp8(a, format)) && std::isnan(decode_fp8(b, format)));
}

TEST(Fp8, VectorsGiveTheScalarCodes) {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    values.push_back(bf16_to_float(static_cast<uint16_t>(bits)));
  }
  for (uint64_t i = 0; i < 2'000'000; ++i) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random_u64(5, 1, i))));
  }
  // Every tie of both formats and its neighbours, where mistakes live.
  for (Fp8Format format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
    for (int code = 0; code < 0x7C; ++code) {
      const float low = decode_fp8(static_cast<uint8_t>(code), format);
      const float high = decode_fp8(static_cast<uint8_t>(code + 1), format);
      const float tie = low + (high - low) / 2;
      for (float v : {tie, std::nextafterf(tie, 0), std::nextafterf(tie, kInf)}) {
        values.push_back(v);
        values.push_back(-v);
      }
    }
  }
  values.resize(values.size() / 16 * 16 + 7, 1.0f);  // leaves a tail
  std::vector<uint8_t> codes(values.size());
  for (Fp8Format format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
    for (float scale : {1.0f, 0x1p-3f, 3.7f}) {
      encode_fp8(values, scale, format, codes);
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(same_code(codes[i], encode_fp8(values[i] * scale, format), format))
            << values[i] << " * " << scale;
      }
    }
  }
}

TEST(Half, ConvertsEveryBfloatAndHalfBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto code = static_cast<uint16_t>(bits);
    const float bf16 = bf16_to_float(code);
    if (std::isnan(bf16)) {
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(bf16))));
    } else {
      ASSERT_EQ(float_to_bf16(bf16), code);
    }
    const float half = f16_to_float(code);
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(half))));
    } else {
      ASSERT_EQ(float_to_f16(half), code);
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float_to_bf16(1.0f + 0x1p-8f), 0x3F80);      // tie down to even
  EXPECT_EQ(float_to_bf16(1.0f + 3 * 0x1p-8f), 0x3F82);  // tie up to even
  EXPECT_EQ(float_to_bf16(std::nextafterf(1.0f + 0x1p-8f, 2.0f)), 0x3F81);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(float_to_bf16(std::bit_cast<float>(0x7F800001u)), 0x7FC0);  // payload in the low bits
  EXPECT_EQ(float_to_f16(65519.0f), 0x7BFF);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_f16(0x1p-25f), 0x0000);
  EXPECT_EQ(float_to_f16(std::nextafterf(0x1p-25f, 1.0f)), 0x0001);
  EXPECT_EQ(float_to_f16(1.0f + 0x1p-11f), 0x3C00);
  EXPECT_EQ(float_to_f16(-2.0f), 0xC000);
}

}  // namespace
}  // namespace ballast
