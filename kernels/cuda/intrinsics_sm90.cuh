// The words of kernels/cuda/device_sm90.h, for nvcc. Elsewhere than on sm_90a they end the kernel.
#pragma once

#include <cstdint>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/tensor_map.h"

namespace ballast {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define BALLAST_SM90A(...) asm volatile(__VA_ARGS__)
inline constexpr bool kHasWarpgroups = true;
#else
#define BALLAST_SM90A(...) no_warpgroups()
inline constexpr bool kHasWarpgroups = false;
__device__ __forceinline__ void no_warpgroups() {
#ifdef __CUDA_ARCH__
  __trap();
#endif
}
#endif

struct Barrier {
  uint64_t state;
};

// In the block's window of shared memory.
__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void barrier_init(Barrier* b, int arrivals) {
  BALLAST_SM90A("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(arrivals)
                : "memory");
}
// By the thread that initialised barriers, before others and loads see them.
__device__ __forceinline__ void barrier_init_fence() {
  BALLAST_SM90A("fence.mbarrier_init.release.cluster;" ::: "memory");
  BALLAST_SM90A("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(Barrier* b) {
  BALLAST_SM90A("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}
// Arrives and makes the phase wait for so many bytes of loads.
__device__ __forceinline__ void barrier_expect(Barrier* b, int bytes) {
  BALLAST_SM90A("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)),
                "r"(bytes)
                : "memory");
}
// Until the phase of that parity has ended: that of the first phase is 0.
__device__ __forceinline__ void barrier_wait(Barrier* b, int parity) {
  const uint32_t at = shared_address(b);
  uint32_t ended = 0;
  while (ended == 0) {
    BALLAST_SM90A(
        "{\n"
        ".reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n"
        "}"
        : "=r"(ended)
        : "r"(at), "r"(parity)
        : "memory");
  }
}

// By one thread: the box of the map whose first element is `at` (innermost first), zeros where it
// leaves the tensor.
__device__ __forceinline__ void tensor_load(void* to, const TensorMap& map, Barrier* barrier,
                                            int at0, int at1, int at2, int at3) {
  BALLAST_SM90A(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, "
      "{%3, %4, %5, %6}], [%2];" ::"r"(shared_address(to)),
      "l"(&map), "r"(shared_address(barrier)), "r"(at0), "r"(at1), "r"(at2), "r"(at3)
      : "memory");
}

// By one thread: a piece of memory, in whole 16 bytes.
__device__ __forceinline__ void bulk_load(void* to, const void* from, int bytes, Barrier* barrier) {
  BALLAST_SM90A(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
}

// Meets with others of the block, `threads` in all; id 1 to 15.
__device__ __forceinline__ void named_sync(int id, int threads) {
  BALLAST_SM90A("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Registers of each thread of this warpgroup from now on: fewer than it had, or more.
template <int kCount>
__device__ __forceinline__ void give_registers() {
  BALLAST_SM90A("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ __forceinline__ void take_registers() {
  BALLAST_SM90A("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}

// The compiler moves no use of these across this place: it does not know that the instruction which
// writes them ends later.
template <size_t N>
__device__ __forceinline__ void pin_registers(float (&array)[N]) {
  BALLAST_UNROLL
  for (size_t i = 0; i < N; ++i) asm volatile("" : "+f"(array[i])::"memory");
}
template <size_t M, size_t N>
__device__ __forceinline__ void pin_registers(uint32_t (&array)[M][N]) {
  BALLAST_UNROLL
  for (size_t m = 0; m < M; ++m) {
    BALLAST_UNROLL
    for (size_t i = 0; i < N; ++i) asm volatile("" : "+r"(array[m][i])::"memory");
  }
}
// Between writing registers and the wgmma that uses them: names all of those.
template <class... Arrays>
__device__ __forceinline__ void wgmma_fence(Arrays&... written) {
  (pin_registers(written), ...);
  BALLAST_SM90A("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  BALLAST_SM90A("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Until at most kLeft groups are in flight. Names the registers that may be touched from here on.
template <int kLeft, class... Arrays>
__device__ __forceinline__ void wgmma_wait(Arrays&... done) {
  BALLAST_SM90A("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
  (pin_registers(done), ...);
}

// ---- wgmma.mma_async.m64nNk16: the lists of operands are why these are macros ----

#define BALLAST_D8(d, i)                                                                      \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define BALLAST_D16(d, i) BALLAST_D8(d, i), BALLAST_D8(d, i + 8)
#define BALLAST_D32(d) BALLAST_D16(d, 0), BALLAST_D16(d, 16)
#define BALLAST_D64(d) BALLAST_D32(d), BALLAST_D16(d, 32), BALLAST_D16(d, 48)

#define BALLAST_LIST16 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define BALLAST_LIST32                                                                         \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, "                                                                                      \
  "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define BALLAST_LIST64                                                                         \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, "                                                                                      \
  "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, " \
  "%39, "                                                                                      \
  "%40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, " \
  "%58, "                                                                                      \
  "%59, %60, %61, %62, %63"

// d (64 x 2 N) = a b + d, or a b without `add`: a (64 x 16) by descriptor, b (16 x 2 N) with the 16
// side by side (K-major). Thread t holds of d the rows t/4 % 8 (+ 8) + t/32 * 16, and of each eight
// columns 2 (t%4) and the next: d[4 n + 2 h + i] is at row half h, column 8 n + i.
__device__ __forceinline__ void wgmma_bf16(float (&d)[16], uint64_t a, uint64_t b, bool add) {
  BALLAST_SM90A(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %18, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {" BALLAST_LIST16
      "}, %16, %17, p, 1, 1, 0, 0;\n}"
      : BALLAST_D16(d, 0)
      : "l"(a), "l"(b), "r"(static_cast<int>(add)));
}
__device__ __forceinline__ void wgmma_bf16(float (&d)[32], uint64_t a, uint64_t b, bool add) {
  BALLAST_SM90A(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" BALLAST_LIST32
      "}, %32, %33, p, 1, 1, 0, 0;\n}"
      : BALLAST_D32(d)
      : "l"(a), "l"(b), "r"(static_cast<int>(add)));
}
__device__ __forceinline__ void wgmma_bf16(float (&d)[64], uint64_t a, uint64_t b, bool add) {
  BALLAST_SM90A(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" BALLAST_LIST64
      "}, %64, %65, p, 1, 1, 0, 0;\n}"
      : BALLAST_D64(d)
      : "l"(a), "l"(b), "r"(static_cast<int>(add)));
}
// a from registers, with the layout of MmaA; b with its columns side by side (N-major).
__device__ __forceinline__ void wgmma_bf16(float (&d)[16], const uint32_t (&a)[4], uint64_t b,
                                           bool add) {
  BALLAST_SM90A(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %21, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {" BALLAST_LIST16
      "}, {%16, %17, %18, %19}, %20, p, 1, 1, 1;\n}"
      : BALLAST_D16(d, 0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(add)));
}
__device__ __forceinline__ void wgmma_bf16(float (&d)[32], const uint32_t (&a)[4], uint64_t b,
                                           bool add) {
  BALLAST_SM90A(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" BALLAST_LIST32
      "}, {%32, %33, %34, %35}, %36, p, 1, 1, 1;\n}"
      : BALLAST_D32(d)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(add)));
}
__device__ __forceinline__ void wgmma_bf16(float (&d)[64], const uint32_t (&a)[4], uint64_t b,
                                           bool add) {
  BALLAST_SM90A(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" BALLAST_LIST64
      "}, {%64, %65, %66, %67}, %68, p, 1, 1, 1;\n}"
      : BALLAST_D64(d)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(add)));
}

#undef BALLAST_D8
#undef BALLAST_D16
#undef BALLAST_D32
#undef BALLAST_D64
#undef BALLAST_LIST16
#undef BALLAST_LIST32
#undef BALLAST_LIST64
#undef BALLAST_SM90A

}  // namespace ballast
