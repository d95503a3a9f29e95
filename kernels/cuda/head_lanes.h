// How the lanes of a warp share heads: each lane has elements of the lower half of a head and their
// partners in the upper half, so that rotary positions need no other lane; a head has a power of
// two of lanes, and a warp treats as many heads at once as it has such groups.
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/cuda/launch.h"

namespace ballast {

inline constexpr int kScalarSlots = 8;  // where vectors do not fit
inline constexpr int kMaxHeadDim = 2 * kWarpSize * kScalarSlots;

// What a lane holds of half a head: kSlots vectors of N elements, zeros behind its end.
template <int N, int kSlots>
struct Held {
  static constexpr int kCount = N * kSlots;
  float at[kCount];
};
template <int N, int kSlots>
struct HeldHead {
  Held<N, kSlots> low, high;
};

// Which elements are a lane's.
template <int N, int kSlots>
struct LanePlace {
  int half, lanes;
  int lane, group;  // among the lanes of a head; which of the heads that the warp treats at once

  __device__ LanePlace(int head_dim, int lanes_of_head)
      : half(head_dim / 2),
        lanes(lanes_of_head),
        lane(lane_of_warp() % lanes_of_head),
        group(lane_of_warp() / lanes_of_head) {}
  __device__ int heads_at_once() const { return kWarpSize / lanes; }
  __device__ int column(int slot) const { return (slot * lanes + lane) * N; }

  // kAccess elements at a time, as the alignment of `from` allows.
  template <int kAccess, class T>
  __device__ __forceinline__ Held<N, kSlots> load(const T* from, bool inside = true) const {
    Held<N, kSlots> held = {};
    BALLAST_UNROLL
    for (int s = 0; s < kSlots; ++s) {
      if (!inside || column(s) >= half) continue;
      BALLAST_UNROLL
      for (int first = 0; first < N; first += kAccess) {
        const auto v = load_vec<kAccess>(from + column(s) + first);
        BALLAST_UNROLL
        for (int i = 0; i < kAccess; ++i) held.at[s * N + first + i] = to_float(v.at[i]);
      }
    }
    return held;
  }
  template <int kAccess, class T>
  __device__ __forceinline__ HeldHead<N, kSlots> load_head(const T* from,
                                                           bool inside = true) const {
    return {load<kAccess>(from, inside), load<kAccess>(from + half, inside)};
  }
  template <class T>
  __device__ __forceinline__ void store(T* to, const Held<N, kSlots>& held) const {
    BALLAST_UNROLL
    for (int s = 0; s < kSlots; ++s) {
      if (column(s) >= half) continue;
      Vec<T, N> v;
      BALLAST_UNROLL
      for (int i = 0; i < N; ++i) v.at[i] = from_float<T>(held.at[s * N + i]);
      store_vec<N>(to + column(s), v);
    }
  }
  template <class T>
  __device__ __forceinline__ void store_head(T* to, const HeldHead<N, kSlots>& held) const {
    store(to, held.low);
    store(to + half, held.high);
  }
  // Over the lanes of a head.
  __device__ __forceinline__ float sum(float x) const {
    for (int offset = lanes / 2; offset > 0; offset /= 2) x += shuffle_xor(x, offset);
    return x;
  }
};

// Of what this lane holds.
template <int N, int kSlots>
__device__ __forceinline__ float dot(const HeldHead<N, kSlots>& a, const HeldHead<N, kSlots>& b) {
  float sum = 0;
  BALLAST_UNROLL
  for (int i = 0; i < N * kSlots; ++i) {
    sum += a.low.at[i] * b.low.at[i];
    sum += a.high.at[i] * b.high.at[i];
  }
  return sum;
}

// function(integral_constant<int, N>(), integral_constant<int, kSlots>(), lanes) with the vectors
// that fit the halves of heads in all `tensors`, and the lanes of a head.
template <class T, class Function, class... Tensors>
void with_slots(int64_t head_dim, const Function& function, const Tensors&... tensors) {
  const int64_t half = head_dim / 2;
  const auto half_of = [half](const Tensor& rows) {
    return Tensor{rows.data, rows.dtype, rows.rows, half, rows.stride};
  };
  const auto lanes_of = [half](int64_t n) {
    const auto vectors = static_cast<unsigned>(blocks_for(half, n));
    return static_cast<int>(std::min(std::bit_ceil(vectors), unsigned{kWarpSize}));
  };
  constexpr int kVector = kLanes<T>;
  if (half <= kWarpSize * kVector && fits_vectors(kVector, half_of(tensors)...)) {
    function(std::integral_constant<int, kVector>(), std::integral_constant<int, 1>(),
             lanes_of(kVector));
  } else {
    function(std::integral_constant<int, 1>(), std::integral_constant<int, kScalarSlots>(),
             lanes_of(1));
  }
}

}  // namespace ballast
