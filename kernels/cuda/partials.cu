// Sums over rows: kernels write partial sums of fixed ranges, which are added here in order.
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast {

namespace {

// 32 columns of kSlices ranges of partial sums: one thread adding them all would wait for each.
constexpr int kSlices = 8;
constexpr int kThreads = kSlices * kWarpSize;

__global__ void __launch_bounds__(kThreads)
    add_partials_kernel(float* sum, const float* partials, int64_t count, int64_t cols) {
  BALLAST_SHARED(float, slices, kThreads);
  const int slice = static_cast<int>(threadIdx.x) / kWarpSize, column = lane_of_warp();
  const int64_t col = int64_t{blockIdx.x} * kWarpSize + column;
  const int64_t per = (count + kSlices - 1) / kSlices, begin = slice * per;
  const int64_t end = begin + per < count ? begin + per : count;
  float total = 0;
  if (col < cols) {
    for (int64_t i = begin; i < end; ++i) total += partials[i * cols + col];
  }
  slices[threadIdx.x] = total;
  block_sync();
  if (slice > 0 || col >= cols) return;
  float whole = sum[col];
  for (int s = 0; s < kSlices; ++s) whole += slices[s * kWarpSize + column];
  sum[col] = whole;
}

}  // namespace

void CudaBackend::add_partials(const Tensor& sum, const float* partials, int64_t count) {
  BALLAST_CHECK(sum.rows == 1 && sum.dtype == Dtype::f32);
  launch(compute_stream(), "add_partials", add_partials_kernel,
         {.x = blocks_for(sum.cols, kWarpSize), .threads = kThreads}, sum.as<float>(), partials,
         count, sum.cols);
}

}  // namespace ballast
