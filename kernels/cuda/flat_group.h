// Groups of 4 neighbours in flat buffers: read at once where all of them count and they lie so, one
// by one at the ends of ranges.
#pragma once

#include "kernels/cuda/device.h"

namespace ballast {

inline constexpr int kGroup = 4;

// What of a group counts: all of it, and it may be read at once.
struct WholeGroup {
  __device__ static constexpr bool has(int) { return true; }
};
// The elements [first, last).
struct PartOfGroup {
  int first, last;
  __device__ bool has(int i) const { return i >= first && i < last; }
};

// Calls function(WholeGroup or PartOfGroup) for what of the group at `at` lies in [low, high),
// which it meets.
template <class Function>
__device__ __forceinline__ void with_group(int64_t at, int64_t low, int64_t high, bool aligned,
                                           const Function& function) {
  if (aligned && at >= low && at + kGroup <= high) return function(WholeGroup());
  const int first = static_cast<int>(low > at ? low - at : 0);
  const int last = static_cast<int>(high - at < kGroup ? high - at : kGroup);
  function(PartOfGroup{first, last});
}

template <class T>
__device__ __forceinline__ void load_group(float (&to)[kGroup], const T* from, WholeGroup) {
  const auto v = load_vec<kGroup>(from);
  for (int i = 0; i < kGroup; ++i) to[i] = to_float(v.at[i]);
}
// Zeros outside.
template <class T>
__device__ __forceinline__ void load_group(float (&to)[kGroup], const T* from, PartOfGroup part) {
  for (int i = 0; i < kGroup; ++i) to[i] = part.has(i) ? to_float(from[i]) : 0.0f;
}

template <class T>
__device__ __forceinline__ void store_group(T* to, const Vec<T, kGroup>& v, WholeGroup) {
  store_vec<kGroup>(to, v);
}
template <class T>
__device__ __forceinline__ void store_group(T* to, const Vec<T, kGroup>& v, PartOfGroup part) {
  for (int i = 0; i < kGroup; ++i)
    if (part.has(i)) to[i] = v.at[i];
}

}  // namespace ballast
