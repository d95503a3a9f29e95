// Counter-based random numbers: every value is a pure function of (seed, stream, index), so nothing
// has to be stored to resume, and any element can be made on any rank. Philox-4x32-10 (Salmon et
// al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): key = seed, counter = (index,
// stream). Streams are named by xxh3_64 of a word.
#pragma once

#include <array>
#include <cstdint>

namespace ballast {

// Four independent 32-bit words of block `index` of `stream`.
std::array<uint32_t, 4> philox(uint64_t seed, uint64_t stream, uint64_t index);

// Element `index` of a stream as 64 bits, as a double in [0, 1) with 53 bits, and as a standard
// normal (Box-Muller on a pair of elements, so normal(2k) and normal(2k+1) share one block).
uint64_t random_u64(uint64_t seed, uint64_t stream, uint64_t index);
double random_uniform(uint64_t seed, uint64_t stream, uint64_t index);
double random_normal(uint64_t seed, uint64_t stream, uint64_t index);

}  // namespace ballast
