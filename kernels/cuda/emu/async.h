// Hopper's asynchronous hardware, emulated: barriers in shared memory that count arrivals and bytes
// (mbarrier), loads of boxes of a tensor (TMA), matrix instructions of a warpgroup (wgmma). Bytes
// lie in shared memory as on a device, swizzled, and descriptors are decoded as there. What is
// asynchronous happens as late as it may: a load when no thread can go on (at once under
// Order::descending, then too early for a tile that is still read; at either time under shuffled),
// a matrix instruction when it is waited for. Registers of an accumulator that is in flight hold
// NaN. Each is an error that names itself: registers used without a fence or touched before the
// wait, other bytes than a barrier was told to expect, operands that are not aligned as their
// swizzle asks, warps of a warpgroup with different instructions, work that nobody waits for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ballast::emu {

inline constexpr size_t kMaxRank = 5;

// What a CUtensorMap says. Sizes and boxes in elements of 2 bytes, innermost first; strides in
// bytes of the dimensions from the second.
struct TensorMap {
  const void* data = nullptr;
  int rank = 0;
  uint64_t size[kMaxRank] = {}, stride[kMaxRank - 1] = {};
  uint32_t box[kMaxRank] = {};
  bool swizzle = false;  // chunks of 16 bytes within 128
};

// ---- Barriers ----

void barrier_init(uint64_t* barrier, int count);
void barrier_init_fence();
void barrier_arrive(uint64_t* barrier);
void barrier_expect(uint64_t* barrier, int bytes);  // and arrives
void barrier_wait(uint64_t* barrier, int parity);
void tensor_load(void* to, const TensorMap& map, uint64_t* barrier, std::span<const int> at);
void bulk_load(void* to, const void* from, int bytes, uint64_t* barrier);

// bar.sync: `threads` threads meet; 1 to 15.
void named_barrier(int id, int threads);
void set_registers(int count);

// ---- Matrix instructions ----

struct Registers {
  const void* begin;
  size_t bytes;
};
void wgmma_fence(std::span<const Registers> written);
void wgmma_commit();
// Until at most `left` groups are in flight; the accumulators among `named` may be read then.
void wgmma_wait(int left, std::span<const Registers> named);

// d (64 x cols) = a (64 x 16) b (16 x cols), + d where `add`. a: four registers, or null and a
// descriptor (K-major); b: K-major, or N-major. bf16, sums in f32 in order of k.
struct Wgmma {
  float* d;
  const uint32_t* a;
  uint64_t a_descriptor, b_descriptor;
  int cols;
  bool add, b_by_columns;
};
void wgmma(const Wgmma& instruction);

}  // namespace ballast::emu
