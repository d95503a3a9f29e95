// Stochastic rounding to bf16. The noise has as many bits as a float has more than a bf16, so its
// law is checked over all noise there is and not by samples.
#include "libcore/precision/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

constexpr uint32_t kNoises = 65536;
constexpr uint16_t kSomeNoise[] = {0, 1, 0x1234, 0x8000, 0xFEDC, 0xFFFF};
constexpr uint32_t kInfinity = 0x7F800000u;

float of_bits(uint32_t bits) { return std::bit_cast<float>(bits); }

// Finite floats of both signs: the ends of every kind of number, and some of all sizes.
std::vector<uint32_t> finite_floats() {
  std::vector<uint32_t> list;
  for (const uint32_t top : {0x0000u, 0x0001u, 0x007Fu, 0x0080u, 0x3F7Fu, 0x3F80u, 0x7F7Eu}) {
    for (const uint32_t low : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
      list.push_back(top << 16 | low);
  }
  for (uint64_t i = 0; i < 40; ++i)
    list.push_back(static_cast<uint32_t>(random_u64(1, 2, i)) % 0x7F7F0000u);
  const size_t n = list.size();
  for (size_t i = 0; i < n; ++i) list.push_back(list[i] | 0x80000000u);
  return list;
}

TEST(StochasticRounding, MeanOverAllNoiseIsTheValueAndOnlyNeighboursComeOut) {
  for (const uint32_t bits : finite_floats()) {
    const auto below = static_cast<uint16_t>(bits >> 16);  // towards zero
    uint32_t away = 0;
    for (uint32_t noise = 0; noise < kNoises; ++noise) {
      const uint16_t rounded =
          float_to_bf16_stochastic(of_bits(bits), static_cast<uint16_t>(noise));
      ASSERT_TRUE(rounded == below || rounded == below + 1) << std::hex << bits;
      away += rounded == below ? 0 : 1;
    }
    // Products of 8 and of 16 bits: doubles hold the whole sum.
    const double near = static_cast<double>(bf16_to_float(below)),
                 far = static_cast<double>(bf16_to_float(static_cast<uint16_t>(below + 1)));
    const double sum = near * (kNoises - away) + (away == 0 ? 0 : far * away);  // far may be inf
    EXPECT_EQ(sum, static_cast<double>(of_bits(bits)) * kNoises) << std::hex << bits;
  }
}

TEST(StochasticRounding, KeepsEveryValueOfBf16) {
  for (uint32_t value = 0; value < 65536; ++value) {
    const float wide = bf16_to_float(static_cast<uint16_t>(value));
    if (std::isnan(wide)) continue;
    for (const uint16_t noise : kSomeNoise)
      ASSERT_EQ(float_to_bf16_stochastic(wide, noise), value) << std::hex << value;
  }
}

TEST(StochasticRounding, NanStaysNan) {
  for (const uint32_t payload : {0x1u, 0xFFFFu, 0x10000u, 0x400000u, 0x7FFFFFu}) {
    for (const uint32_t sign : {0x0u, 0x80000000u}) {
      for (const uint16_t noise : kSomeNoise) {
        const float nan = of_bits(sign | kInfinity | payload);
        EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16_stochastic(nan, noise))))
            << std::hex << payload;
      }
    }
  }
}

TEST(StochasticRounding, BothSignsRoundAlike) {
  for (const uint32_t bits : finite_floats()) {
    for (const uint16_t noise : kSomeNoise)
      EXPECT_EQ(float_to_bf16_stochastic(-of_bits(bits), noise),
                float_to_bf16_stochastic(of_bits(bits), noise) ^ 0x8000)
          << std::hex << bits;
  }
}

// Beyond the largest bf16 the next value would be 2^128, which is infinity.
TEST(StochasticRounding, BeyondTheLargestValueInfinityTakesThePlaceOfTheNextOne) {
  constexpr uint16_t kLargest = 0x7F7F, kInf = 0x7F80;
  uint32_t infinite = 0;
  for (uint32_t noise = 0; noise < kNoises; ++noise) {
    const uint16_t rounded =
        float_to_bf16_stochastic(of_bits(0x7F7F3000u), static_cast<uint16_t>(noise));
    ASSERT_TRUE(rounded == kLargest || rounded == kInf);
    infinite += rounded == kInf ? 1 : 0;
  }
  EXPECT_EQ(infinite, 0x3000u);
}

}  // namespace
}  // namespace ballast
