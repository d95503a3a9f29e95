#include "kernels/ref/scale_channels.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

void CpuBackend::scale_channels(const Tensor& y, const Tensor& x, const Tensor& gain) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols && gain.cols == x.cols);
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    ref::scale_channels(ref::view<float>(rows_of(y, begin, end - begin)),
                        ref::view<float>(rows_of(x, begin, end - begin)), ref::view<float>(gain));
  });
}

void CpuBackend::scale_channels_bwd(const Tensor& dx, const Tensor& dgain, const Tensor& dy,
                                    const Tensor& x, const Tensor& gain) {
  BALLAST_CHECK(dx.rows == x.rows && dy.rows == x.rows && dx.cols == x.cols && dy.cols == x.cols);
  BALLAST_CHECK(gain.cols == x.cols && dgain.cols == x.cols);
  accumulate_rows(dgain.as<float>(), x.rows, x.cols,
                  [&](int64_t begin, int64_t end, float* partial) {
                    ref::scale_channels_bwd(ref::view<float>(rows_of(dx, begin, end - begin)),
                                            ref::Matrix<float>{partial, 1, x.cols, x.cols},
                                            ref::view<float>(rows_of(dy, begin, end - begin)),
                                            ref::view<float>(rows_of(x, begin, end - begin)),
                                            ref::view<float>(gain));
                  });
}

}  // namespace ballast
