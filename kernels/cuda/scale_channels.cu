// One gain per channel. Gains lie anywhere in the flat parameters, so they are read one by one, but
// once for several rows. The backward goes over memory once: dx and the partial sums of dgain over
// fixed ranges of rows come from the same loads.
#include "kernels/cuda/row_vectors.h"

namespace ballast {

namespace {

constexpr int kThreads = 256;

template <int N>
__device__ __forceinline__ Vec<float, N> gains_at(const float* gain, int64_t col) {
  Vec<float, N> gains;
  for (int i = 0; i < N; ++i) gains.at[i] = gain[col + i];
  return gains;
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    scale_channels_kernel(DeviceMatrix<T> y, DeviceMatrix<const T> x, const float* gain) {
  const auto p = VectorPlace<N>::of_thread(groups_of_rows(x.rows), x.cols);
  if (!p.inside) return;
  const auto gains = gains_at<N>(gain, p.col);
  map_rows<N>(y, x, p, [&](float v, int i) { return v * gains.at[i]; });
}

// Row p of `partials` (ranges, H): the sum of dy x over range p.
template <class T, int N>
__global__ void __launch_bounds__(kRangeThreads)
    scale_channels_bwd_kernel(DeviceMatrix<T> dx, float* partials, DeviceMatrix<const T> dy,
                              DeviceMatrix<const T> x, const float* gain, int64_t per) {
  constexpr int kCols = kWarpSize * N;
  BALLAST_SHARED(float, of_warps, kRangeWarps* kCols);
  const int64_t col = column_of_thread<N>();
  Vec<float, N> gains = {}, sums = {};
  if (col < x.cols) gains = gains_at<N>(gain, col);
  map_range<N>(dx, dy, x, per, [&](float g, float v, int i) {
    sums.at[i] += g * v;
    return g * gains.at[i];
  });
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  for (int i = 0; i < N; ++i) of_warps[warp * kCols + lane_of_warp() * N + i] = sums.at[i];
  block_sync();
  const int c = static_cast<int>(threadIdx.x);
  const int64_t to = int64_t{blockIdx.x} * kCols + c;
  if (c >= kCols || to >= x.cols) return;
  float total = of_warps[c];
  for (int w = 1; w < kRangeWarps; ++w) total += of_warps[w * kCols + c];
  partials[blockIdx.y * x.cols + to] = total;
}

}  // namespace

void CudaBackend::scale_channels(const Tensor& y, const Tensor& x, const Tensor& gain) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols && gain.cols == x.cols);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "scale_channels", scale_channels_kernel<T, n()>,
                 {.x = blocks_for(threads_of_map<n()>(x), kThreads), .threads = kThreads},
                 device_matrix<T>(y), device_matrix<const T>(x), gain.as<float>());
        },
        y, x);
  });
}

void CudaBackend::scale_channels_bwd(const Tensor& dx, const Tensor& dgain, const Tensor& dy,
                                     const Tensor& x, const Tensor& gain) {
  BALLAST_CHECK(dx.rows == x.rows && dy.rows == x.rows && dx.cols == x.cols && dy.cols == x.cols);
  BALLAST_CHECK(gain.cols == x.cols && dgain.cols == x.cols);
  const int64_t per = rows_per_range(x.rows), ranges = blocks_for(x.rows, per);
  float* const partials = workspace_of<float>(ranges * x.cols);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "scale_channels_bwd", scale_channels_bwd_kernel<T, n()>,
                 {.x = blocks_across<n()>(x),
                  .threads = kRangeThreads,
                  .y = static_cast<unsigned>(ranges)},
                 device_matrix<T>(dx), partials, device_matrix<const T>(dy),
                 device_matrix<const T>(x), gain.as<float>(), per);
        },
        dx, dy, x);
  });
  add_partials(dgain, partials, ranges);
}

}  // namespace ballast
