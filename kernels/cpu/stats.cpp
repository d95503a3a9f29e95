#include "kernels/ref/stats.h"

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

void CpuBackend::stats(const Tensor& out, const Tensor& x) {
  BALLAST_CHECK(out.dtype == Dtype::f64 && out.cols == kStatsCols);
  const int64_t grain = chunk_of(x.rows, x.cols), chunks = (x.rows + grain - 1) / grain;
  std::vector<double> partials(static_cast<size_t>(chunks * kStatsCols));
  pool_.parallel_for(x.rows, grain, [&](int64_t begin, int64_t end) {
    ref::stats(partials.data() + begin / grain * kStatsCols,
               ref::view<float>(rows_of(x, begin, end - begin)));
  });
  double* sums = out.as<double>();
  std::fill_n(sums, kStatsCols, 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const double* partial = partials.data() + chunk * kStatsCols;
    for (const int64_t column : {0, 1, 3, 4}) sums[column] += partial[column];
    sums[2] = std::max(sums[2], partial[2]);
  }
}

void CpuBackend::norm_blocks(const Tensor& out, const Tensor& x) {
  BALLAST_CHECK(out.dtype == Dtype::f64 && out.cols == (x.cols + kFlatBlock - 1) / kFlatBlock);
  pool_.parallel_for(x.cols, kFlatBlock, [&](int64_t begin, int64_t end) {
    ref::norm_blocks(out.as<double>() + begin / kFlatBlock,
                     ref::view<float>(cols_of(x, begin, end - begin)));
  });
}

}  // namespace ballast
