// What the matrix product keeps between calls: oneDNN primitives by shape, and packed copies of
// weights by address. Lookups and insertions happen on the host thread, before tiles are handed to
// the pool; `run` is called from the pool's threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "libcore/tensor/backend.h"

namespace ballast {

// One tile of D (m, n) = alpha * op(A) * op(B) + beta * D. With packed_b, B is in the layout that
// the primitive chose: a layout given to oneDNN from outside may run its slow reference.
struct GemmTile {
  int64_t m, n, k;
  int64_t a_stride, b_stride, d_stride;
  bool transpose_a, transpose_b, packed_b;
  float alpha, beta;
  auto operator<=>(const GemmTile&) const = default;
};

class GemmPrimitive {
 public:
  explicit GemmPrimitive(const GemmTile& tile);
  ~GemmPrimitive();
  void run(float* d, const float* a, const float* b) const;
  bool packed() const;  // whether `b` of run() is a packed copy
  bool same_packing(const GemmPrimitive& other) const;
  int64_t packed_bytes() const;  // of B
  void pack(void* to, const float* b) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The column tiles of one weight, packed for products with it or with its transpose.
struct PackedWeight {
  bool current = false;
  std::vector<std::shared_ptr<void>> tiles;
};

// How D is cut: column tiles of kCols and, when there is more than one, an even number of row tiles
// of at most kRows. Fixed by the shape alone, so that bits do not depend on threads: larger tiles
// leave threads idle, smaller ones repack A and B too often.
struct GemmTiling {
  static constexpr int64_t kRows = 256, kCols = 512;
  int64_t m, n, k, tile_rows, row_tiles, col_tiles;
  GemmTiling(int64_t rows, int64_t cols, int64_t depth);
  int64_t rows(int64_t i) const { return std::min(tile_rows, m - i * tile_rows); }
  int64_t cols(int64_t j) const { return std::min(kCols, n - j * kCols); }
};

class GemmCache {
 public:
  const GemmPrimitive& primitive(const GemmTile& tile);
  // Marks packed copies of a weight as old.
  void invalidate(const Tensor& weight);
  PackedWeight& packed(const Tensor& weight, bool transposed);

 private:
  using WeightKey = std::tuple<const void*, int64_t, int64_t, int64_t, bool>;
  static WeightKey key_of(const Tensor& weight, bool transposed);
  std::map<GemmTile, std::unique_ptr<GemmPrimitive>> primitives_;
  std::map<WeightKey, PackedWeight> weights_;
};

std::string gemm_library();  // "oneDNN 2.6.3 isa 0x1ff"

}  // namespace ballast
