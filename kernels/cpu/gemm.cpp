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

constexpr size_t kPackAlignment = 64;

GemmTiling tiling_of(const Tensor& d, const Tensor& a, const Tensor& b,
                     const GemmOptions& options) {
  const int64_t m = d.rows, n = d.cols, k = options.transpose_a ? a.rows : a.cols;
  BALLAST_CHECK(m > 0 && n > 0 && k > 0);
  BALLAST_CHECK((options.transpose_a ? a.cols : a.rows) == m);
  BALLAST_CHECK((options.transpose_b ? b.cols : b.rows) == k);
  BALLAST_CHECK((options.transpose_b ? b.rows : b.cols) == n);
  return {m, n, k};
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

// Brings the packed column tiles up to date; packers: of inner tiles and of the last.
void CpuBackend::pack_weight(PackedWeight& packed, const Tensor& b, bool transpose_b,
                             const GemmTiling& t, const GemmPrimitive* const packers[2]) {
  if (packed.current) return;
  packed.tiles.resize(static_cast<size_t>(t.col_tiles));
  pool_.parallel_for(t.col_tiles, 1, [&](int64_t j, int64_t) {
    const GemmPrimitive& packer = *packers[j == t.col_tiles - 1 ? 1 : 0];
    std::shared_ptr<void>& tile = packed.tiles[static_cast<size_t>(j)];
    if (tile == nullptr) tile = allocate_pack(packer.packed_bytes());
    packer.pack(tile.get(), at_column(b, transpose_b, j * GemmTiling::kCols));
  });
  packed.current = true;
}

void CpuBackend::gemm(const Tensor& d, const Tensor& a, const Tensor& b,
                      const GemmOptions& options) {
  const GemmTiling t = tiling_of(d, a, b, options);
  const auto primitive = [&](int64_t rows, int64_t cols, bool packed) -> const GemmPrimitive& {
    return gemm_cache_->primitive({rows, cols, t.k, a.stride, b.stride, d.stride,
                                   options.transpose_a, options.transpose_b, packed, options.alpha,
                                   options.beta});
  };
  // A weight is packed as full-height tiles like it. A lower tile that would like another layout
  // reads the weight as it is.
  const auto of_size = [&](int64_t rows, int64_t cols) -> const GemmPrimitive& {
    const GemmPrimitive& wanted = primitive(rows, cols, options.b_is_weight);
    if (!options.b_is_weight || wanted.same_packing(primitive(GemmTiling::kRows, cols, true))) {
      return wanted;
    }
    return primitive(rows, cols, false);
  };
  // At most four shapes: inner tiles, the last row, the last column and the corner.
  const int64_t last_row = t.row_tiles - 1, last_col = t.col_tiles - 1;
  const GemmPrimitive* const shapes[2][2] = {
      {&of_size(t.rows(0), t.cols(0)), &of_size(t.rows(0), t.cols(last_col))},
      {&of_size(t.rows(last_row), t.cols(0)), &of_size(t.rows(last_row), t.cols(last_col))}};
  PackedWeight* packed = nullptr;
  if (options.b_is_weight) {
    packed = &gemm_cache_->packed(b, options.transpose_b);
    const GemmPrimitive* const packers[2] = {&primitive(GemmTiling::kRows, t.cols(0), true),
                                             &primitive(GemmTiling::kRows, t.cols(last_col), true)};
    pack_weight(*packed, b, options.transpose_b, t, packers);
  }
  const bool copy_c = options.c != nullptr && options.beta != 0 && options.c->data != d.data;
  pool_.parallel_for(t.row_tiles * t.col_tiles, 1, [&](int64_t tile, int64_t) {
    const int64_t i = tile / t.col_tiles, j = tile % t.col_tiles;
    const int64_t row = i * t.tile_rows, col = j * GemmTiling::kCols;
    if (copy_c) copy_tile(d, *options.c, row, col, t.rows(i), t.cols(j));
    const GemmPrimitive& shape = *shapes[i == last_row ? 1 : 0][j == last_col ? 1 : 0];
    const float* b_tile =
        shape.packed() ? static_cast<const float*>(packed->tiles[static_cast<size_t>(j)].get())
                       : at_column(b, options.transpose_b, col);
    shape.run(d.row<float>(row) + col, a.as<float>() + (options.transpose_a ? row : row * a.stride),
              b_tile);
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
