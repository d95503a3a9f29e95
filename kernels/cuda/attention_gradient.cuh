// What the bf16 kernels of the backward pass share: from products to dS, and which tiles of queries
// a block of keys has to read.
#pragma once

#include "kernels/cuda/attention_heads.cuh"

namespace ballast::attn {

// From the product q.k (s) and dout.v (dp) to P and dS / scale, in place. lse in units of log 2.
template <bool kCap>
__device__ __forceinline__ void score_gradient(float& s, float& dp, const RowStats& row,
                                               const Policy<kCap>& policy, float factor) {
  float slope = 1;
  if constexpr (kCap) {
    s = policy.score(s);
    slope = policy.slope(s);
  }
  s = exp2_approx(s * factor - row.lse);
  dp = s * (dp - row.delta) * slope;
}

// The same in two steps, the first without dout.v: returns P, and s becomes P times the policy's
// slope.
template <bool kCap>
__device__ __forceinline__ float probability(float& s, float lse, const Policy<kCap>& policy,
                                             float factor) {
  float slope = 1;
  if constexpr (kCap) {
    s = policy.score(s);
    slope = policy.slope(s);
  }
  const float p = exp2_approx(s * factor - lse);
  s = p * slope;
  return p;
}

// Tiles of kQueries rows from row `begin` on of which some row sees a key in front of `key_end`.
// Starts do not fall, so these are the first ones.
template <int kQueries>
__device__ __forceinline__ int tiles_that_see(const int32_t* starts, int begin, int key_end,
                                              int seq) {
  int some = 0, none = (seq - begin + kQueries - 1) / kQueries;
  while (some + 1 < none) {
    const int middle = (some + none) / 2;
    (starts[begin + middle * kQueries] < key_end ? some : none) = middle;
  }
  return none;
}

// Of these tiles, the first ones in which no row's document begins behind `key`.
template <int kQueries>
__device__ __forceinline__ int tiles_from_before(const int32_t* starts, int begin, int key,
                                                 int seq) {
  int some = 0, end = (seq - begin + kQueries - 1) / kQueries;
  while (some < end) {
    const int middle = (some + end) / 2, next = begin + (middle + 1) * kQueries;
    if (starts[(next < seq ? next : seq) - 1] <= key) {
      some = middle + 1;
    } else {
      end = middle;
    }
  }
  return some;
}

}  // namespace ballast::attn
