#include "libcore/base/rng.h"

#include <cmath>
#include <numbers>

namespace ballast {

std::array<uint32_t, 4> philox(uint64_t seed, uint64_t stream, uint64_t index) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  std::array<uint32_t, 4> counter = {
      static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
      static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {
        static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
        static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

uint64_t random_u64(uint64_t seed, uint64_t stream, uint64_t index) {
  const auto block = philox(seed, stream, index >> 1);
  const size_t half = (index & 1) * 2;
  return static_cast<uint64_t>(block[half + 1]) << 32 | block[half];
}

double random_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
  return static_cast<double>(random_u64(seed, stream, index) >> 11) * 0x1p-53;
}

double random_normal(uint64_t seed, uint64_t stream, uint64_t index) {
  const auto block = philox(seed, stream, index >> 1);
  const uint64_t first = static_cast<uint64_t>(block[1]) << 32 | block[0];
  const uint64_t second = static_cast<uint64_t>(block[3]) << 32 | block[2];
  // The radius takes a uniform in (0, 1]: its logarithm is finite.
  const double radius =
      std::sqrt(-2.0 * std::log((static_cast<double>(first >> 11) + 1.0) * 0x1p-53));
  const double angle = 2.0 * std::numbers::pi * static_cast<double>(second >> 11) * 0x1p-53;
  return radius * ((index & 1) == 0 ? std::cos(angle) : std::sin(angle));
}

}  // namespace ballast
