// What a kernel of sm_90a may use beside device.h: barriers in shared memory, loads of tensors
// (TMA), matrix instructions of a warpgroup (wgmma), barriers of some warps, registers that warps
// pass on. PTX ISA: mbarrier, cp.async.bulk.tensor, wgmma.mma_async, bar.sync, setmaxnreg. A
// warpgroup is four warps from a multiple of four; all of it runs every wgmma word. Kernels compile
// for other architectures too, where they may not be launched: their bodies stand behind
// kHasWarpgroups.
#pragma once

#include "kernels/cuda/device.h"

#ifdef BALLAST_EMULATION
#include "kernels/cuda/emu/intrinsics_sm90.h"
#else
#include "kernels/cuda/intrinsics_sm90.cuh"
#endif

namespace ballast {

inline constexpr int kGroupThreads = 128, kGroupWarps = 4;
inline constexpr int kSwizzleBytes = 128;  // of a row; the pattern repeats after eight rows
inline constexpr int kSwizzlePattern = 8 * kSwizzleBytes;

// Of a swizzled matrix in shared memory, for wgmma. Rows of 128 bytes that stand one after another:
// `stride` is from eight rows to the next eight, `leading` from 64 columns of an N-major matrix to
// the next (K-major ones have no use for it). The pattern begins at a multiple of 1024.
__device__ __forceinline__ uint64_t matrix_descriptor(uint32_t address, int leading,
                                                      int stride = kSwizzlePattern) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
  const auto field = [](uint32_t bytes) { return uint64_t{(bytes & 0x3ffff) >> 4}; };
  return field(address) | field(static_cast<uint32_t>(leading)) << 16 |
         field(static_cast<uint32_t>(stride)) << 32 | kSwizzle128;
}

// The first address from `p` on where a swizzled tile may begin.
__device__ __forceinline__ unsigned char* align_to_swizzle(unsigned char* p) {
  return p + (0u - shared_address(p)) % kSwizzlePattern;
}

}  // namespace ballast
