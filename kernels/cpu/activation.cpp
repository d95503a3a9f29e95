#include "kernels/ref/activation.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

void CpuBackend::activation(const Tensor& y, const Tensor& x, Activation kind) {
  BALLAST_CHECK(y.rows == x.rows && x.cols == y.cols * (kind == Activation::swiglu ? 2 : 1));
  pool_.parallel_for(y.rows, chunk_of(y.rows, y.cols), [&](int64_t begin, int64_t end) {
    ref::activation(ref::view<float>(rows_of(y, begin, end - begin)),
                    ref::view<float>(rows_of(x, begin, end - begin)), kind);
  });
}

void CpuBackend::activation_bwd(const Tensor& dx, const Tensor& dy, const Tensor& x,
                                Activation kind) {
  BALLAST_CHECK(dy.rows == x.rows && x.cols == dy.cols * (kind == Activation::swiglu ? 2 : 1));
  BALLAST_CHECK(dx.rows == x.rows && dx.cols == x.cols);
  pool_.parallel_for(dy.rows, chunk_of(dy.rows, dy.cols), [&](int64_t begin, int64_t end) {
    ref::activation_bwd(ref::view<float>(rows_of(dx, begin, end - begin)),
                        ref::view<float>(rows_of(dy, begin, end - begin)),
                        ref::view<float>(rows_of(x, begin, end - begin)), kind);
  });
}

}  // namespace ballast
