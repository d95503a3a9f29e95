// Sigma-reparametrisation: one warp a row for the products of rows, sums over rows in double by one
// block, in fixed order; what follows from them stays on the device. kernels/ref/spectral.h has the
// formulas.
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/float_vec.h"
#include "kernels/cuda/launch.h"

namespace ballast {

namespace {

constexpr int kThreads = 128;
constexpr int kRowsPerBlock = kThreads / kWarpSize;
constexpr int kSumThreads = 512;  // of the block that adds up all rows
constexpr int kSumWarps = kSumThreads / kWarpSize;

// sums[i] = w_i . b_i, times factors[i] unless null.
template <class P, int N>
__global__ void __launch_bounds__(kThreads)
    row_products_kernel(double* sums, DeviceMatrix<const P> w, DeviceMatrix<const float> b,
                        const float* factors) {
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarpSize;
  const bool there = row < w.rows;
  float sum = 0;
  for (int64_t c = int64_t{lane_of_warp()} * N; there && c < w.cols; c += kWarpSize * N) {
    const auto left = load_floats<N>(w.row(row) + c), right = load_floats<N>(b.row(row) + c);
    for (int i = 0; i < N; ++i) sum += left.at[i] * right.at[i];
  }
  sum = warp_sum(sum);
  if (!there || lane_of_warp() != 0) return;
  const double factor = factors == nullptr ? 1.0 : static_cast<double>(factors[row]);
  sums[row] = static_cast<double>(sum) * factor;
}

// Over n sums, in every thread of the one block.
__device__ __forceinline__ double total_of(const double* sums, int64_t n, double* scratch) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < n; i += kSumThreads) total += sums[i];
  return block_sum<kSumThreads>(total, scratch);
}

// sigma, and factor = gain / sigma.
__global__ void __launch_bounds__(kSumThreads)
    sigma_kernel(float* sigma, float* factor, const double* sums, int64_t n, const float* gain) {
  BALLAST_SHARED(double, scratch, kSumWarps);
  const double total = total_of(sums, n, scratch);
  if (threadIdx.x != 0) return;
  *sigma = static_cast<float>(total);
  *factor = static_cast<float>(static_cast<double>(*gain) / total);
}

template <class T, class P, int N>
__global__ void __launch_bounds__(kThreads)
    spectral_scale_kernel(DeviceMatrix<T> hat, DeviceMatrix<const P> w, const float* factor) {
  const int64_t row = blockIdx.x;
  const float f = *factor;
  for (int64_t c = int64_t{threadIdx.x} * N; c < w.cols; c += kThreads * N) {
    const auto from = load_floats<N>(w.row(row) + c);
    Vec<T, N> to;
    for (int i = 0; i < N; ++i) to.at[i] = from_float<T>(f * from.at[i]);
    store_vec<N>(hat.row(row) + c, to);
  }
}

// factors = gain / sigma and g gain / sigma, with g = the total / sigma; dgain += g.
__global__ void __launch_bounds__(kSumThreads)
    spectral_slope_kernel(float* dgain, double* factors, const double* sums, int64_t n,
                          const float* gain, const float* sigma) {
  BALLAST_SHARED(double, scratch, kSumWarps);
  const double inner = total_of(sums, n, scratch);
  if (threadIdx.x != 0) return;
  const double s = static_cast<double>(*sigma), g = inner / s;
  factors[0] = static_cast<double>(*gain) / s;
  factors[1] = factors[0] * g;
  *dgain += static_cast<float>(g);
}

// dw_i += factors[0] dhat_i - factors[1] v_i u
template <int N>
__global__ void __launch_bounds__(kThreads)
    spectral_scale_bwd_kernel(DeviceMatrix<float> dw, DeviceMatrix<const float> dhat,
                              const double* factors, const float* u, const float* v) {
  const int64_t row = blockIdx.x;
  const auto scale = static_cast<float>(factors[0]);
  const auto left = static_cast<float>(factors[1] * static_cast<double>(v[row]));
  for (int64_t c = int64_t{threadIdx.x} * N; c < dw.cols; c += kThreads * N) {
    auto sum = load_vec<N>(dw.row(row) + c);
    const auto slope = load_vec<N>(dhat.row(row) + c), right = load_vec<N>(u + c);
    for (int i = 0; i < N; ++i)
      sum.at[i] = fmaf(-left, right.at[i], fmaf(scale, slope.at[i], sum.at[i]));
    store_vec<N>(dw.row(row) + c, sum);
  }
}

// x / |x|; a zero vector stays one. One block.
__global__ void __launch_bounds__(kSumThreads) normalise_kernel(float* x, int64_t n) {
  BALLAST_SHARED(double, scratch, kSumWarps);
  double squares = 0;
  for (int64_t i = threadIdx.x; i < n; i += kSumThreads)
    squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  squares = block_sum<kSumThreads>(squares, scratch);
  const float factor = squares == 0 ? 1.0f : static_cast<float>(1 / sqrt(squares));
  for (int64_t i = threadIdx.x; i < n; i += kSumThreads) x[i] *= factor;
}

void check_shapes(const Tensor& w, const Tensor& u, const Tensor& v) {
  BALLAST_CHECK(w.rows > 0 && w.cols > 0 && u.cols == w.cols && v.cols == w.rows);
}

// The same row for every row of a matrix.
Tensor repeated(const Tensor& row, int64_t rows) {
  return {row.data, row.dtype, rows, row.cols, 0};
}

void launch_row_products(const Stream& stream, double* sums, const Tensor& w, const Tensor& b,
                         const float* factors) {
  with_activation_type(w.dtype, [&](auto weight) {
    using P = decltype(weight);
    with_vectors<float>(
        [&](auto n) {
          launch(stream, "row products", row_products_kernel<P, n()>,
                 {.x = blocks_for(w.rows, kRowsPerBlock), .threads = kThreads}, sums,
                 device_matrix<const P>(w), device_matrix<const float>(b), factors);
        },
        w, b);
  });
}

}  // namespace

void CudaBackend::spectral_scale(const Tensor& hat, const Tensor& sigma, const Tensor& w,
                                 const Tensor& gain, const Tensor& u, const Tensor& v) {
  check_shapes(w, u, v);
  BALLAST_CHECK(hat.rows == w.rows && hat.cols == w.cols);
  double* const sums = workspace_of<double>(w.rows + 1);
  auto* const factor = reinterpret_cast<float*>(sums + w.rows);
  launch_row_products(compute_stream(), sums, w, repeated(u, w.rows), v.as<float>());
  launch(compute_stream(), "sigma", sigma_kernel, {.threads = kSumThreads}, sigma.as<float>(),
         factor, sums, w.rows, gain.as<float>());
  with_weight_types(hat.dtype, w.dtype, [&](auto zero, auto weight) {
    using T = decltype(zero);
    using P = decltype(weight);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "spectral_scale", spectral_scale_kernel<T, P, n()>,
                 {.x = w.rows, .threads = kThreads}, device_matrix<T>(hat),
                 device_matrix<const P>(w), factor);
        },
        hat, w);
  });
}

void CudaBackend::spectral_scale_bwd(const Tensor& dw, const Tensor& dgain, const Tensor& dhat,
                                     const Tensor& w, const Tensor& gain, const Tensor& sigma,
                                     const Tensor& u, const Tensor& v) {
  check_shapes(w, u, v);
  BALLAST_CHECK(dhat.rows == w.rows && dhat.cols == w.cols);
  BALLAST_CHECK(dw.rows == w.rows && dw.cols == w.cols);
  double* const sums = workspace_of<double>(w.rows + 2);
  double* const factors = sums + w.rows;
  launch_row_products(compute_stream(), sums, w, dhat, nullptr);
  launch(compute_stream(), "spectral slope", spectral_slope_kernel, {.threads = kSumThreads},
         dgain.as<float>(), factors, sums, w.rows, gain.as<float>(), sigma.as<float>());
  with_vectors<float>(
      [&](auto n) {
        launch(compute_stream(), "spectral_scale_bwd", spectral_scale_bwd_kernel<n()>,
               {.x = w.rows, .threads = kThreads}, device_matrix<float>(dw),
               device_matrix<const float>(dhat), factors, u.as<float>(), v.as<float>());
      },
      dw, dhat, u);
}

void CudaBackend::power_iteration(const Tensor& u, const Tensor& v, const Tensor& w) {
  check_shapes(w, u, v);
  gemv(v, w, u, false);
  launch(compute_stream(), "normalise", normalise_kernel, {.threads = kSumThreads}, v.as<float>(),
         v.cols);
  gemv(u, w, v, true);
  launch(compute_stream(), "normalise", normalise_kernel, {.threads = kSumThreads}, u.as<float>(),
         u.cols);
}

}  // namespace ballast
