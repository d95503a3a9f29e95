// The matrix instructions that the warps of a block have in flight. A warp is a quarter of its
// warpgroup and has 16 of the 64 rows, so each is followed by itself; that the four issue the same
// is checked when the block ends.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/emu/async.h"
#include "kernels/cuda/emu/emulator.h"

namespace ballast::emu {

// Where the byte of an unswizzled layout lies: bits 4 to 6 are exchanged with those of the row of
// 128 bytes (bits 7 to 9).
inline uint32_t swizzle_128(uint32_t address) { return address ^ (address >> 7 & 7) << 4; }

class Products {
 public:
  explicit Products(size_t threads) : lanes_(threads), warps_(threads / kWarp) {}

  void fence(int thread, std::span<const Registers> written);
  void name(int thread, std::span<const Registers> named);
  void issue(int warp, const unsigned char* slots);  // of a meeting: a Wgmma of each lane
  void commit(int warp);
  void wait(int warp, int left);
  void note(int warp, uint64_t what);  // that warps of a warpgroup have to do alike
  std::string unfinished() const;

 private:
  using Operand = std::array<uint32_t, 4>;
  struct Product {
    Wgmma of_lane[kWarp];
    Operand a[kWarp];
  };
  struct Lane {
    std::vector<Registers> fenced, named;
    std::map<float*, std::vector<float>> values;  // of accumulators in flight
  };
  struct Warp {
    std::deque<std::vector<Product>> groups;
    std::vector<Product> open;
    uint64_t history = 0;
  };

  void start(int warp, int lane, Product& product);
  void run(int warp, const Product& product);
  void finish(int warp, int lane);
  bool in_flight(const Warp& warp, int lane, const float* d) const;
  Lane& lane_of(int warp, int lane) { return lanes_[static_cast<size_t>(warp * kWarp + lane)]; }

  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
};

}  // namespace ballast::emu
