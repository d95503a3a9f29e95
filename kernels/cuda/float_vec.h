// Vectors of N floats beside those of N activations: in accesses of up to 16 bytes; and of N
// weights, which are floats or of the type of activations.
#pragma once

#include "kernels/cuda/device.h"

namespace ballast {

template <int N>
__device__ __forceinline__ Vec<float, N> load_floats(const float* p) {
  constexpr int kWidth = N < kLanes<float> ? N : kLanes<float>;
  Vec<float, N> v;
  for (int i = 0; i < N; i += kWidth) {
    const auto part = load_vec<kWidth>(p + i);
    for (int j = 0; j < kWidth; ++j) v.at[i + j] = part.at[j];
  }
  return v;
}

template <int N>
__device__ __forceinline__ Vec<float, N> load_floats(const bf16* p) {
  const auto narrow = load_vec<N>(p);
  Vec<float, N> v;
  for (int i = 0; i < N; ++i) v.at[i] = to_float(narrow.at[i]);
  return v;
}

template <int N>
__device__ __forceinline__ void store_floats(float* p, const Vec<float, N>& v) {
  constexpr int kWidth = N < kLanes<float> ? N : kLanes<float>;
  for (int i = 0; i < N; i += kWidth) {
    Vec<float, kWidth> part;
    for (int j = 0; j < kWidth; ++j) part.at[j] = v.at[i + j];
    store_vec<kWidth>(p + i, part);
  }
}

}  // namespace ballast
