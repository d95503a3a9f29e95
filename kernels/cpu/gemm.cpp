// Matrix products through oneDNN, cut into fixed tiles of D that one thread each works out: oneDNN
// itself would split K by the number of threads, and the bits would follow.
#include <fmt/format.h>
#include <omp.h>
#include <dnnl.hpp>

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/gemm_cache.h"
#include "kernels/ref/gemm.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {
constexpr int64_t kTileRows = 256, kTileCols = 512;
}

std::string gemm_library() {
  const dnnl::version_t* version = dnnl::version();
  return fmt::format("oneDNN {}.{}.{} isa {:#x}", version->major, version->minor, version->patch,
                     static_cast<unsigned>(dnnl::get_effective_cpu_isa()));
}

void CpuBackend::prepare(const Tensor&) {}

void CpuBackend::gemm(const Tensor& d, const Tensor& a, const Tensor& b,
                      const GemmOptions& options) {
  const int64_t m = d.rows, n = d.cols, k = options.transpose_a ? a.rows : a.cols;
  BALLAST_CHECK((options.transpose_a ? a.cols : a.rows) == m);
  BALLAST_CHECK((options.transpose_b ? b.cols : b.rows) == k);
  BALLAST_CHECK((options.transpose_b ? b.rows : b.cols) == n);
  const int64_t row_tiles = (m + kTileRows - 1) / kTileRows;
  const int64_t col_tiles = (n + kTileCols - 1) / kTileCols;
  pool_.parallel_for(row_tiles * col_tiles, 1, [&](int64_t tile, int64_t) {
    omp_set_num_threads(1);
    const int64_t i = tile / col_tiles * kTileRows, j = tile % col_tiles * kTileCols;
    const int64_t rows = std::min(kTileRows, m - i), cols = std::min(kTileCols, n - j);
    if (options.c != nullptr && options.beta != 0 && options.c->data != d.data) {
      for (int64_t r = i; r < i + rows; ++r) {
        std::copy_n(options.c->row<float>(r) + j, cols, d.row<float>(r) + j);
      }
    }
    const float* a_tile = a.as<float>() + (options.transpose_a ? i : i * a.stride);
    const float* b_tile = b.as<float>() + (options.transpose_b ? j * b.stride : j);
    const dnnl::status status =
        dnnl::sgemm(options.transpose_a ? 'T' : 'N', options.transpose_b ? 'T' : 'N', rows, cols, k,
                    options.alpha, a_tile, a.stride, b_tile, b.stride, options.beta,
                    d.row<float>(i) + j, d.stride);
    BALLAST_CHECK(status == dnnl::status::success);
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
