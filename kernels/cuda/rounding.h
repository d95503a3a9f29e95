// Stochastic rounding on the device: twins of libcore/base/rng.h and of the functions around it in
// kernels/ref/optimizer.h, with the same bits.
#pragma once

#include <cstring>

#include "kernels/cuda/device.h"

namespace ballast {

struct PhiloxWords {
  uint32_t at[4];
};

// Four independent words of block `index` of `stream`: Philox-4x32-10.
__device__ __forceinline__ PhiloxWords philox_words(uint64_t seed, uint64_t stream,
                                                    uint64_t index) {
  PhiloxWords c{{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                 static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)}};
  auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * c.at[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * c.at[2];
    c = {{static_cast<uint32_t>(product1 >> 32) ^ c.at[1] ^ key0, static_cast<uint32_t>(product1),
          static_cast<uint32_t>(product0 >> 32) ^ c.at[3] ^ key1, static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return c;
}

// float_to_bf16_stochastic() of libcore/precision/half.h; `noise` is uniform in 16 bits.
__device__ __forceinline__ bf16 bf16_stochastic(float x, uint32_t noise) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  if ((bits & 0x7F800000u) == 0x7F800000u) return bf16_of(x);
  return {static_cast<uint16_t>((bits + noise) >> 16)};
}

// Noise for what is rounded of one element, 16 bits each.
struct RoundingNoise {
  uint32_t m, v, m2, param;
};

// Of the elements of the flat index in step t, which must be asked for in rising order from the
// first of a run; two elements share a block of the generator.
class RoundingNoises {
 public:
  __device__ RoundingNoises(uint64_t seed, int64_t t)
      : seed_(seed), stream_(0x6F7074696D73746Du + static_cast<uint64_t>(t)) {}  // "optimstm"
  __device__ __forceinline__ RoundingNoise of(int64_t index, bool first) {
    const bool odd = (index & 1) != 0;
    if (first || !odd) words_ = philox_words(seed_, stream_, static_cast<uint64_t>(index) / 2);
    const uint32_t low = odd ? words_.at[2] : words_.at[0];
    const uint32_t high = odd ? words_.at[3] : words_.at[1];
    return {low & 0xFFFF, low >> 16, high & 0xFFFF, high >> 16};
  }

 private:
  uint64_t seed_, stream_;
  PhiloxWords words_ = {};
};

}  // namespace ballast
