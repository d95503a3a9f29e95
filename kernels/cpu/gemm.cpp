// Matrix products through oneDNN, cut into fixed tiles of D that one thread each works out: oneDNN
// itself would split K by the number of threads, and the bits would follow. Weights given to
// prepare() are packed once per update, when a product first asks for them.
#include <algorithm>
#include <cstdlib>
#include <new>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/gemm_cache.h"
#include "kernels/ref/gemm.h"

namespace ballast {

namespace {

// Measured best of 128..1024 in both directions for the products of a training step: larger tiles
// leave threads idle, smaller ones repack A and B too often.
constexpr int64_t kTileRows = 256, kTileCols = 512;
constexpr size_t kPackAlignment = 64;

struct Tiling {
  int64_t m, n, k, row_tiles, col_tiles;
  int64_t rows(int64_t i) const { return std::min(kTileRows, m - i * kTileRows); }
  int64_t cols(int64_t j) const { return std::min(kTileCols, n - j * kTileCols); }
};

Tiling tiling_of(const Tensor& d, const Tensor& a, const Tensor& b, const GemmOptions& options) {
  const int64_t m = d.rows, n = d.cols, k = options.transpose_a ? a.rows : a.cols;
  BALLAST_CHECK(m > 0 && n > 0 && k > 0);
  BALLAST_CHECK((options.transpose_a ? a.cols : a.rows) == m);
  BALLAST_CHECK((options.transpose_b ? b.cols : b.rows) == k);
  BALLAST_CHECK((options.transpose_b ? b.rows : b.cols) == n);
  return {m, n, k, (m + kTileRows - 1) / kTileRows, (n + kTileCols - 1) / kTileCols};
}

const float* at_column(const Tensor& b, bool transpose_b, int64_t column) {
  return b.as<float>() + (transpose_b ? column * b.stride : column);
}

std::shared_ptr<void> allocate_pack(int64_t bytes) {
  const size_t size = (static_cast<size_t>(bytes) + kPackAlignment - 1) / kPackAlignment;
  void* data = std::aligned_alloc(kPackAlignment, size * kPackAlignment);
  if (data == nullptr) throw std::bad_alloc();
  return {data, std::free};
}

void copy_tile(const Tensor& d, const Tensor& c, int64_t i, int64_t j, int64_t rows, int64_t cols) {
  for (int64_t r = i; r < i + rows; ++r) {
    std::copy_n(c.row<float>(r) + j, cols, d.row<float>(r) + j);
  }
}

}  // namespace

void CpuBackend::prepare(const Tensor& weight) { gemm_cache_->invalidate(weight); }

void CpuBackend::gemm(const Tensor& d, const Tensor& a, const Tensor& b,
                      const GemmOptions& options) {
  const Tiling t = tiling_of(d, a, b, options);
  const auto primitive = [&](int64_t i, int64_t j) -> const GemmPrimitive& {
    return gemm_cache_->primitive({t.rows(i), t.cols(j), t.k, a.stride, b.stride, d.stride,
                                   options.transpose_a, options.transpose_b, options.b_is_weight,
                                   options.alpha, options.beta});
  };
  // At most four shapes: inner tiles, the last row, the last column and the corner.
  const GemmPrimitive* const shapes[2][2] = {
      {&primitive(0, 0), &primitive(0, t.col_tiles - 1)},
      {&primitive(t.row_tiles - 1, 0), &primitive(t.row_tiles - 1, t.col_tiles - 1)}};
  const auto shape_of = [&](int64_t i, int64_t j) -> const GemmPrimitive& {
    return *shapes[i == t.row_tiles - 1 ? 1 : 0][j == t.col_tiles - 1 ? 1 : 0];
  };
  PackedWeight* packed =
      options.b_is_weight ? &gemm_cache_->packed(b, options.transpose_b) : nullptr;
  if (packed != nullptr && !packed->current) {
    packed->tiles.resize(static_cast<size_t>(t.col_tiles));
    pool_.parallel_for(t.col_tiles, 1, [&](int64_t j, int64_t) {
      std::shared_ptr<void>& tile = packed->tiles[static_cast<size_t>(j)];
      if (tile == nullptr) tile = allocate_pack(shape_of(0, j).packed_bytes());
      shape_of(0, j).pack(tile.get(), at_column(b, options.transpose_b, j * kTileCols));
    });
    packed->current = true;
  }
  const bool copy_c = options.c != nullptr && options.beta != 0 && options.c->data != d.data;
  pool_.parallel_for(t.row_tiles * t.col_tiles, 1, [&](int64_t tile, int64_t) {
    const int64_t i = tile / t.col_tiles, j = tile % t.col_tiles;
    const int64_t row = i * kTileRows, col = j * kTileCols;
    if (copy_c) copy_tile(d, *options.c, row, col, t.rows(i), t.cols(j));
    const float* b_tile =
        packed != nullptr ? static_cast<const float*>(packed->tiles[static_cast<size_t>(j)].get())
                          : at_column(b, options.transpose_b, col);
    shape_of(i, j).run(d.row<float>(row) + col,
                       a.as<float>() + (options.transpose_a ? row : row * a.stride), b_tile);
  });
}

void CpuBackend::gemv(const Tensor& y, const Tensor& a, const Tensor& x, bool transpose) {
  BALLAST_CHECK(y.cols == (transpose ? a.cols : a.rows) && x.cols == (transpose ? a.rows : a.cols));
  pool_.parallel_for(y.cols, 64, [&](int64_t begin, int64_t end) {
    ref::gemv(ref::view<float>(cols_of(y, begin, end - begin)),
              ref::view<float>(transpose ? cols_of(a, begin, end - begin)
                                         : rows_of(a, begin, end - begin)),
              ref::view<float>(x), transpose);
  });
}

}  // namespace ballast
