// What a kernel may use, the same for nvcc and for the host emulation: indices, barriers, warp
// operations, shared memory, vector accesses, bf16, asynchronous copies, matrix instructions.
// Kernels include this and nothing else of CUDA. A block is a multiple of 32 threads; every thread
// of a block reaches every block barrier, and every lane of a warp every warp operation.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef BALLAST_EMULATION
#include "kernels/cuda/emu/intrinsics.h"
#else
#include "kernels/cuda/intrinsics.cuh"
#endif

namespace ballast {

inline constexpr int kWarpSize = 32;

// ---- Types of activations ----

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return float_of(x); }
template <class T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float x) {
  return bf16_of(x);
}

// ---- Vectors of up to 16 bytes ----

template <class T, int N>
struct alignas(sizeof(T) * N) Vec {
  T at[N];
};
// Elements of one 16-byte access.
template <class T>
inline constexpr int kLanes = 16 / static_cast<int>(sizeof(T));

template <int N, class T>
__device__ __forceinline__ Vec<T, N> load_vec(const T* p) {
  check_aligned(p, sizeof(T) * N);
  return *reinterpret_cast<const Vec<T, N>*>(p);
}
template <int N, class T>
__device__ __forceinline__ void store_vec(T* p, const Vec<T, N>& v) {
  check_aligned(p, sizeof(T) * N);
  *reinterpret_cast<Vec<T, N>*>(p) = v;
}

// ---- Reductions, all lanes get the result ----

// Butterfly: the same bits in every lane, whatever the order in which lanes run.
__device__ __forceinline__ float warp_sum(float x) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) x += shuffle_xor(x, offset);
  return x;
}
__device__ __forceinline__ double warp_sum(double x) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) x += shuffle_xor(x, offset);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) x = fmaxf(x, shuffle_xor(x, offset));
  return x;
}

// Over a block of kThreads threads in one dimension. `scratch`: kThreads / 32 elements of shared
// memory, which may be used again at once.
template <int kThreads, class T>
__device__ __forceinline__ T block_sum(T x, T* scratch) {
  constexpr int kWarps = kThreads / kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  x = warp_sum(x);
  if constexpr (kWarps == 1) return x;
  block_sync();
  if (lane_of_warp() == 0) scratch[warp] = x;
  block_sync();
  T sum = scratch[0];
  for (int w = 1; w < kWarps; ++w) sum += scratch[w];
  block_sync();
  return sum;
}
template <int kThreads>
__device__ __forceinline__ float block_max(float x, float* scratch) {
  constexpr int kWarps = kThreads / kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  x = warp_max(x);
  if constexpr (kWarps == 1) return x;
  block_sync();
  if (lane_of_warp() == 0) scratch[warp] = x;
  block_sync();
  float top = scratch[0];
  for (int w = 1; w < kWarps; ++w) top = fmaxf(top, scratch[w]);
  block_sync();
  return top;
}

}  // namespace ballast
