// The words of kernels/cuda/device_sm90.h, for a host compiler.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/cuda/emu/async.h"
#include "kernels/cuda/emu/intrinsics.h"
#include "kernels/cuda/tensor_map.h"

#define __grid_constant__

namespace ballast {

inline constexpr bool kHasWarpgroups = true;

struct Barrier {
  uint64_t state;
};

// In the block's window of shared memory.
inline uint32_t shared_address(const void* p) { return emu::window_address(p); }

inline void barrier_init(Barrier* b, int arrivals) { emu::barrier_init(&b->state, arrivals); }
// By the thread that initialised barriers, before others and loads see them.
inline void barrier_init_fence() { emu::barrier_init_fence(); }
inline void barrier_arrive(Barrier* b) { emu::barrier_arrive(&b->state); }
// Arrives and makes the phase wait for so many bytes of loads.
inline void barrier_expect(Barrier* b, int bytes) { emu::barrier_expect(&b->state, bytes); }
// Until the phase of that parity has ended: that of the first phase is 0.
inline void barrier_wait(Barrier* b, int parity) { emu::barrier_wait(&b->state, parity); }

// By one thread: the box of the map whose first element is `at` (innermost first), zeros where it
// leaves the tensor.
template <class... At>
void tensor_load(void* to, const TensorMap& map, Barrier* barrier, At... at) {
  emu::tensor_load(to, map, &barrier->state, std::array<int, sizeof...(At)>{at...});
}

// By one thread: a piece of memory, in whole 16 bytes.
inline void bulk_load(void* to, const void* from, int bytes, Barrier* barrier) {
  emu::bulk_load(to, from, bytes, &barrier->state);
}

// Meets with others of the block, `threads` in all; id 1 to 15.
inline void named_sync(int id, int threads) { emu::named_barrier(id, threads); }

// Registers of each thread of this warpgroup from now on: fewer than it had, or more.
template <int kCount>
void give_registers() {
  emu::set_registers(kCount);
}
template <int kCount>
void take_registers() {
  emu::set_registers(kCount);
}

template <class T, size_t N>
emu::Registers registers_of(const T (&array)[N]) {
  return {array, sizeof(array)};
}
// Between writing registers and the wgmma that uses them: names all of those.
template <class... Arrays>
void wgmma_fence(Arrays&... written) {
  const std::array<emu::Registers, sizeof...(Arrays)> list{registers_of(written)...};
  emu::wgmma_fence(list);
}
inline void wgmma_commit() { emu::wgmma_commit(); }
// Until at most kLeft groups are in flight. Names the registers that may be touched from here on.
template <int kLeft, class... Arrays>
void wgmma_wait(Arrays&... done) {
  const std::array<emu::Registers, sizeof...(Arrays)> list{registers_of(done)...};
  emu::wgmma_wait(kLeft, list);
}

// d (64 x 2 N) = a b + d, or a b without `add`: a (64 x 16) by descriptor, b (16 x 2 N) with the 16
// side by side (K-major). Thread t holds of d the rows t/4 % 8 (+ 8) + t/32 * 16, and of each eight
// columns 2 (t%4) and the next: d[4 n + 2 h + i] is at row half h, column 8 n + i.
template <size_t N>
void wgmma_bf16(float (&d)[N], uint64_t a, uint64_t b, bool add) {
  emu::wgmma({d, nullptr, a, b, 2 * static_cast<int>(N), add, false});
}
// a from registers, with the layout of MmaA; b with its columns side by side (N-major).
template <size_t N>
void wgmma_bf16(float (&d)[N], const uint32_t (&a)[4], uint64_t b, bool add) {
  emu::wgmma({d, a, 0, b, 2 * static_cast<int>(N), add, true});
}

}  // namespace ballast
