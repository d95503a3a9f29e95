#include "kernels/ref/norm.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

void CpuBackend::norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                      float eps) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols && w.cols == x.cols && rstd.cols == x.rows);
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      rstd.as<float>()[n] =
          ref::norm_row(y.row<float>(n), x.row<float>(n), w.as<float>(), x.cols, eps);
    }
  });
}

void CpuBackend::add_norm(const Tensor& y, const Tensor& rstd, const Tensor& sum, const Tensor& x,
                          const Tensor& branch, const Tensor& w, float eps) {
  add(sum, x, branch);
  norm(y, rstd, sum, w, eps);
}

void CpuBackend::norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                          const Tensor& w, const Tensor& rstd) {
  BALLAST_CHECK(dx.rows == x.rows && dy.rows == x.rows && dx.cols == x.cols && dy.cols == x.cols);
  BALLAST_CHECK(w.cols == x.cols && dw.cols == x.cols && rstd.cols == x.rows);
  accumulate_rows(dw.as<float>(), x.rows, x.cols, [&](int64_t begin, int64_t end, float* partial) {
    for (int64_t n = begin; n < end; ++n) {
      ref::norm_row_bwd(dx.row<float>(n), partial, dy.row<float>(n), x.row<float>(n), w.as<float>(),
                        rstd.as<float>()[n], x.cols);
    }
  });
}

}  // namespace ballast
