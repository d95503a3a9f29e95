// The words of a kernel, for a host compiler: see kernels/cuda/device.h.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cuda/emu/emulator.h"
#include "libcore/precision/half.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (::ballast::emu::thread_index())
#define blockIdx (::ballast::emu::block_index())
#define blockDim (::ballast::emu::block_extent())
#define gridDim (::ballast::emu::grid_extent())

// An array of the block, of `count` elements (a constant).
#define BALLAST_SHARED(T, name, count) \
  static const char name##_tag = 0;    \
  T* const name = static_cast<T*>(::ballast::emu::shared_array(&name##_tag, sizeof(T) * (count)))

// Before a loop of few, constant rounds whose arrays must stay in registers.
#define BALLAST_UNROLL

namespace ballast {

struct bf16 {
  uint16_t bits;
};

inline float float_of(bf16 x) { return bf16_to_float(x.bits); }
// To nearest, ties to even; NaN stays NaN.
inline bf16 bf16_of(float x) { return {float_to_bf16(x)}; }
inline uint32_t pack_bf16(float low, float high) {
  return bf16_of(low).bits | uint32_t{bf16_of(high).bits} << 16;
}

inline void check_aligned(const void* p, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) emu::fail("misaligned vector access");
}

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(emu::dynamic_array());
}

inline int lane_of_warp() { return emu::lane_index(); }
inline void block_sync() { emu::block_barrier(); }
inline void warp_sync() { emu::warp_meeting("warp_sync", nullptr, 0); }

template <class T>
T meeting_slot(const unsigned char* slots, int lane) {
  T value;
  std::memcpy(&value, slots + static_cast<size_t>(lane) * emu::kMeetingBytes, sizeof(T));
  return value;
}
template <class T>
T shuffle(T x, int lane) {
  return meeting_slot<T>(emu::warp_meeting("shuffle", &x, sizeof(T)), lane & 31);
}
template <class T>
T shuffle_xor(T x, int mask) {
  return meeting_slot<T>(emu::warp_meeting("shuffle_xor", &x, sizeof(T)), emu::lane_index() ^ mask);
}
inline uint32_t vote(bool x) {
  const unsigned char* slots = emu::warp_meeting("vote", &x, sizeof(x));
  uint32_t votes = 0;
  for (int l = 0; l < emu::kWarp; ++l) votes |= uint32_t{meeting_slot<bool>(slots, l)} << l;
  return votes;
}
inline bool any_lane(bool x) { return vote(x) != 0; }
inline bool all_lanes(bool x) { return vote(x) == 0xffffffff; }

// The larger one, NaN if either is (fmaxf drops a NaN).
inline float max_nan(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::bit_cast<float>(0x7fffffff);
  return a > b ? a : b;
}

// 2^x with a relative error of 2^-22; 0 where that is subnormal.
inline float exp2_approx(float x) {
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0.0f : y;
}

// ---- Asynchronous copies of 16 bytes from global to shared memory ----

inline void copy_async(void* to, const void* from) {
  check_aligned(to, 16);
  check_aligned(from, 16);
  emu::copy_later(to, from, 16);
}
// Zeros where !there; `from` is not read then.
inline void copy_async(void* to, const void* from, bool there) {
  check_aligned(to, 16);
  if (there) check_aligned(from, 16);
  emu::copy_later(to, there ? from : nullptr, 16);
}
inline void commit_copies() { emu::commit_copies(); }
template <int kLeft>
void wait_copies() {
  emu::wait_copies(kLeft);
}

// ---- Matrix instructions (PTX ISA: mma.m16n8k16, ldmatrix) ----

struct MmaA {
  uint32_t r[4];  // bf16 pairs of a 16 x 16 tile
};
struct MmaB {
  uint32_t r[2];  // of a 16 x 8 tile
};

namespace emu {
inline float half_of(uint32_t pair, int high) {
  return std::bit_cast<float>(high != 0 ? pair & 0xffff0000 : pair << 16);
}
}  // namespace emu

// d (16 x 8) += a (16 x 16) b (16 x 8), f32 sums in order of k. Lane l holds of d and c the rows
// l/4 and l/4 + 8, columns 2 (l%4) and the next.
inline void mma_bf16(float (&d)[4], const MmaA& a, const MmaB& b) {
  struct {
    MmaA a;
    MmaB b;
  } const mine{a, b};
  const unsigned char* slots = emu::warp_meeting("mma", &mine, sizeof(mine));
  const int lane = emu::lane_index();
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + (i / 2) * 8, col = lane % 4 * 2 + i % 2;
    float sum = d[i];
    for (int k = 0; k < 16; ++k) {
      const auto of_a = meeting_slot<MmaA>(slots, row % 8 * 4 + k % 8 / 2);
      uint32_t of_b;
      std::memcpy(&of_b,
                  slots + static_cast<size_t>(col * 4 + k % 8 / 2) * emu::kMeetingBytes +
                      sizeof(MmaA) + static_cast<size_t>(k / 8) * 4,
                  4);
      sum += emu::half_of(of_a.r[row / 8 + k / 8 * 2], k % 2) * emu::half_of(of_b, k % 2);
    }
    d[i] = sum;
  }
}

// Four 8 x 8 tiles of 2-byte elements: lane l gives the address of row l%8 of tile l/8 and gets, of
// tile t in r[t], the pair at row l/4, columns 2 (l%4) and the next; transposed: the pair at rows
// 2 (l%4) and the next of column l/4.
template <bool kTransposed>
void load_matrices(uint32_t (&r)[4], const void* row) {
  check_aligned(row, 16);
  const unsigned char* slots =
      emu::warp_meeting(kTransposed ? "ldmatrix.trans" : "ldmatrix", &row, sizeof(row));
  const int lane = emu::lane_index();
  for (int t = 0; t < 4; ++t) {
    uint16_t pair[2];
    for (int i = 0; i < 2; ++i) {
      const int at_row = kTransposed ? lane % 4 * 2 + i : lane / 4;
      const int at_col = kTransposed ? lane / 4 : lane % 4 * 2 + i;
      pair[i] = meeting_slot<const uint16_t*>(slots, t * 8 + at_row)[at_col];
    }
    std::memcpy(&r[t], pair, 4);
  }
}

// ---- Counters: the only atomics (sums of floats would depend on the order) ----

inline int atomic_max_int(int* at, int value) {
  int seen = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (seen < value &&
         !__atomic_compare_exchange_n(at, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return seen;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }

}  // namespace ballast
