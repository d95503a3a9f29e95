// The matrix products: which copy of a weight they read, then GemmEngine. gemv in fixed order.
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast {

void CudaBackend::prepare(const Tensor& weight) {
  if (compute_ == Dtype::bf16) gemm_.prepare(weight);
}

void CudaBackend::gemm(const Tensor& d, const Tensor& a, const Tensor& b,
                       const GemmOptions& options) {
  const int64_t k = options.transpose_a ? a.rows : a.cols;
  BALLAST_CHECK((options.transpose_a ? a.cols : a.rows) == d.rows);
  BALLAST_CHECK((options.transpose_b ? b.cols : b.rows) == k);
  BALLAST_CHECK((options.transpose_b ? b.rows : b.cols) == d.cols);
  GemmCall call{d,
                a,
                b,
                options.c == nullptr ? d : *options.c,
                options.transpose_a,
                options.transpose_b,
                options.alpha,
                options.beta};
  if (options.b_is_weight && b.dtype != a.dtype) {
    bool stale = false;
    call.b = gemm_.copy_of(b, stale);
    if (stale) cast(call.b, b);
  }
  BALLAST_CHECK(call.a.dtype == call.b.dtype && call.c.dtype == call.d.dtype);
  gemm_.run(compute_stream(), call);
}

namespace {

constexpr int kThreads = 128;

// y[r] = row r of A . x, one warp a row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    rows_times_kernel(float* y, DeviceMatrix<const T> a, const float* x) {
  const int64_t row = int64_t{blockIdx.x} * (kThreads / kWarpSize) + threadIdx.x / kWarpSize;
  const bool there = row < a.rows;
  float sum = 0;
  if (there) {
    for (int64_t c = lane_of_warp(); c < a.cols; c += kWarpSize)
      sum += to_float(a.row(row)[c]) * x[c];
  }
  sum = warp_sum(sum);
  if (there && lane_of_warp() == 0) y[row] = sum;
}

// Partial p of A^T x: over the rows [p per, (p + 1) per), one thread a column.
template <class T>
__global__ void __launch_bounds__(kThreads)
    columns_times_kernel(float* partials, DeviceMatrix<const T> a, const float* x, int64_t per) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= a.cols) return;
  const int64_t begin = blockIdx.y * per, end = begin + per < a.rows ? begin + per : a.rows;
  float sum = 0;
  for (int64_t r = begin; r < end; ++r) sum += to_float(a.row(r)[c]) * x[r];
  partials[blockIdx.y * a.cols + c] = sum;
}

}  // namespace

void CudaBackend::gemv(const Tensor& y, const Tensor& a, const Tensor& x, bool transpose) {
  BALLAST_CHECK(y.cols == (transpose ? a.cols : a.rows) && x.cols == (transpose ? a.rows : a.cols));
  BALLAST_CHECK(y.dtype == Dtype::f32 && x.dtype == Dtype::f32);
  with_activation_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (!transpose) {
      launch(compute_stream(), "gemv", rows_times_kernel<T>,
             {.x = blocks_for(a.rows, kThreads / kWarpSize), .threads = kThreads}, y.as<float>(),
             device_matrix<const T>(a), x.as<float>());
      return;
    }
    const int64_t per = rows_per_partial(a.rows), partials = blocks_for(a.rows, per);
    float* const sums = workspace_of<float>(partials * a.cols);
    launch(compute_stream(), "gemv transposed", columns_times_kernel<T>,
           {.x = blocks_for(a.cols, kThreads),
            .threads = kThreads,
            .y = static_cast<unsigned>(partials)},
           sums, device_matrix<const T>(a), x.as<float>(), per);
    runtime_.zero(y.data, y.cols * 4, StreamId::compute);
    add_partials(y, sums, partials);
  });
}

}  // namespace ballast
