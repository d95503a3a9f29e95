// The inner loops of the probe, on chunks of 128 values (one scaling block of the 1x128 recipes).
// They run on the best vector unit present and give the same bits on all of them: sixteen fixed
// partial sums, added pairwise. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>

#include "libcore/precision/fp8.h"

namespace ballast {

inline constexpr int64_t kChunk = 128;

// What casting a chunk with one scale does. With y = fp32(x * scale) and q = Q(y), sums are over
// the finite values and in units of y; a caller multiplies by scale^-2.
struct ChunkError {
  double yy = 0;  // sum of y^2
  double qy = 0;
  double qq = 0;
  double ee = 0;          // sum of (q - y)^2
  int64_t underflow = 0;  // x != 0, q == 0
  int64_t subnormal = 0;  // 0 < |q| < min_normal
  int64_t clip = 0;       // past the last rounding tie
  int64_t top = 0;        // |q| == max_finite
};

// `values` holds exactly kChunk floats (pad with zeros: they count nowhere).
ChunkError chunk_error(const float* values, float scale, Fp8Format format);

// The largest |x| as bits, so that a NaN or Inf comes out on top (> 0x7F800000 or equal to it).
uint32_t chunk_amax_bits(const float* values);
// The smallest non-zero |x| as bits; 0x7FFFFFFF when all are zero.
uint32_t chunk_amin_bits(const float* values);

// Bit patterns of bfloat16 to float.
void widen_bf16(const uint16_t* from, int64_t n, float* to);

// The vector unit that runs them, for reports: "AVX2", "NEON", ...
const char* chunk_target();

}  // namespace ballast
