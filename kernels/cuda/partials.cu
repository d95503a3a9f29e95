// Sums over rows: kernels write partial sums of fixed ranges, which are added here in order.
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast {

namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads)
    add_partials_kernel(float* sum, const float* partials, int64_t count, int64_t cols) {
  const int64_t col = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (col >= cols) return;
  float total = sum[col];
  for (int64_t i = 0; i < count; ++i) total += partials[i * cols + col];
  sum[col] = total;
}

}  // namespace

void CudaBackend::add_partials(const Tensor& sum, const float* partials, int64_t count) {
  BALLAST_CHECK(sum.rows == 1 && sum.dtype == Dtype::f32);
  launch(compute_stream(), "add_partials", add_partials_kernel,
         {.x = blocks_for(sum.cols, kThreads), .threads = kThreads}, sum.as<float>(), partials,
         count, sum.cols);
}

}  // namespace ballast
