// The words of a kernel, for nvcc: see kernels/cuda/device.h. sm_80 and later.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

// An array of the block, of `count` elements (a constant).
#define BALLAST_SHARED(T, name, count) __shared__ __align__(128) T name[count]

// Before a loop of few, constant rounds whose arrays must stay in registers.
#define BALLAST_UNROLL _Pragma("unroll")

namespace ballast {

struct bf16 {
  uint16_t bits;
};

__device__ __forceinline__ float float_of(bf16 x) {
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
}
// To nearest, ties to even; NaN stays NaN.
__device__ __forceinline__ bf16 bf16_of(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

__device__ __forceinline__ void check_aligned(const void*, size_t) {}

template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char ballast_dynamic_shared[];
  return reinterpret_cast<T*>(ballast_dynamic_shared);
}

__device__ __forceinline__ int lane_of_warp() { return static_cast<int>(threadIdx.x) % 32; }
__device__ __forceinline__ void block_sync() { __syncthreads(); }
__device__ __forceinline__ void warp_sync() { __syncwarp(); }

template <class T>
__device__ __forceinline__ T shuffle(T x, int lane) {
  return __shfl_sync(0xffffffff, x, lane);
}
template <class T>
__device__ __forceinline__ T shuffle_xor(T x, int mask) {
  return __shfl_xor_sync(0xffffffff, x, mask);
}
__device__ __forceinline__ uint32_t vote(bool x) { return __ballot_sync(0xffffffff, x); }
__device__ __forceinline__ bool any_lane(bool x) { return __any_sync(0xffffffff, x) != 0; }
__device__ __forceinline__ bool all_lanes(bool x) { return __all_sync(0xffffffff, x) != 0; }

// The larger one, NaN if either is (fmaxf drops a NaN).
__device__ __forceinline__ float max_nan(float a, float b) {
  float top;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(top) : "f"(a), "f"(b));
  return top;
}

// 2^x with a relative error of 2^-22; 0 where that is subnormal.
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// ---- Asynchronous copies of 16 bytes from global to shared memory ----

__device__ __forceinline__ void copy_async(void* to, const void* from) {
  const auto at = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from) : "memory");
}
// Zeros where !there; `from` is not read then.
__device__ __forceinline__ void copy_async(void* to, const void* from, bool there) {
  const auto at = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  const int bytes = there ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kLeft>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

// ---- Matrix instructions (PTX ISA: mma.m16n8k16, ldmatrix) ----

struct MmaA {
  uint32_t r[4];  // bf16 pairs of a 16 x 16 tile
};
struct MmaB {
  uint32_t r[2];  // of a 16 x 8 tile
};

// d (16 x 8) += a (16 x 16) b (16 x 8), f32 sums. Lane l holds of d the rows l/4 and l/4 + 8,
// columns 2 (l%4) and the next.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const MmaA& a, const MmaB& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "r"(b.r[0]), "r"(b.r[1]));
}

// Four 8 x 8 tiles of 2-byte elements: lane l gives the address of row l%8 of tile l/8 and gets, of
// tile t in r[t], the pair at row l/4, columns 2 (l%4) and the next; transposed: the pair at rows
// 2 (l%4) and the next of column l/4.
template <bool kTransposed>
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const void* row) {
  const auto at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
  }
}

// ---- Counters: the only atomics (sums of floats would depend on the order) ----

__device__ __forceinline__ int atomic_max_int(int* at, int value) { return atomicMax(at, value); }

}  // namespace ballast
