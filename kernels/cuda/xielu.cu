// xIELU, forward and backward. The scalars stay on the device: every thread makes ap and an from
// alpha for the rows it treats. The sums for dalpha leave each block in f64; one block adds them.
// kernels/ref/xielu.h has the formulas.
#include "kernels/cuda/row_vectors.h"

namespace ballast {

namespace {

constexpr int kThreads = 256;
constexpr float kBeta = 0.5f;

// log(1 + e^x) without overflow.
__device__ __forceinline__ float softplus(float x) {
  return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}

struct XieluSlopes {
  float positive, negative;  // ap, an
};
__device__ __forceinline__ XieluSlopes xielu_slopes(const float* alpha) {
  return {softplus(alpha[0]), kBeta + softplus(alpha[1])};
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    xielu_kernel(DeviceMatrix<T> y, DeviceMatrix<const T> x, const float* alpha) {
  const auto p = VectorPlace<N>::of_thread(groups_of_rows(x.rows), x.cols);
  if (!p.inside) return;
  const XieluSlopes s = xielu_slopes(alpha);
  map_rows<N>(y, x, p, [&](float v, int) {
    return kBeta * v + (v > 0 ? s.positive * v * v : s.negative * (expm1f(v) - v));
  });
}

// Pair b of `partials`: block b's sums of dy df/dap and dy df/dan.
template <class T, int N>
__global__ void __launch_bounds__(kRangeThreads)
    xielu_bwd_kernel(DeviceMatrix<T> dx, double* partials, DeviceMatrix<const T> dy,
                     DeviceMatrix<const T> x, const float* alpha, int64_t per) {
  BALLAST_SHARED(double, scratch, kRangeWarps);
  const XieluSlopes s = xielu_slopes(alpha);
  float positive = 0, negative = 0;
  map_range<N>(dx, dy, x, per, [&](float g, float v, int) {
    const bool right = v > 0;
    const float e = expm1f(v), curve = g * (right ? v * v : e - v);
    positive += right ? curve : 0.0f;
    negative += right ? 0.0f : curve;
    return g * ((right ? 2.0f * s.positive * v : s.negative * e) + kBeta);
  });
  const double of_positive = block_sum<kRangeThreads>(static_cast<double>(positive), scratch);
  const double of_negative = block_sum<kRangeThreads>(static_cast<double>(negative), scratch);
  if (threadIdx.x != 0) return;
  double* const to = partials + 2 * (int64_t{blockIdx.y} * gridDim.x + blockIdx.x);
  to[0] = of_positive;
  to[1] = of_negative;
}

// dalpha += sigmoid(alpha) times the sums of `count` pairs: one block, in an order that only
// `count` decides.
__global__ void __launch_bounds__(kThreads)
    xielu_dalpha_kernel(float* dalpha, const double* partials, int64_t count, const float* alpha) {
  BALLAST_SHARED(double, scratch, kThreads / kWarpSize);
  double sums[2] = {};
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    for (int k = 0; k < 2; ++k) sums[k] += partials[2 * i + k];
  }
  for (int k = 0; k < 2; ++k) {
    const double sum = block_sum<kThreads>(sums[k], scratch);
    if (threadIdx.x == 0)
      dalpha[k] += static_cast<float>(sum / (1.0 + exp(-static_cast<double>(alpha[k]))));
  }
}

}  // namespace

void CudaBackend::xielu(const Tensor& y, const Tensor& x, const Tensor& alpha) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols && alpha.cols == 2);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "xielu", xielu_kernel<T, n()>,
                 {.x = blocks_for(threads_of_map<n()>(x), kThreads), .threads = kThreads},
                 device_matrix<T>(y), device_matrix<const T>(x), alpha.as<float>());
        },
        y, x);
  });
}

void CudaBackend::xielu_bwd(const Tensor& dx, const Tensor& dalpha, const Tensor& dy,
                            const Tensor& x, const Tensor& alpha) {
  BALLAST_CHECK(dx.rows == x.rows && dx.cols == x.cols && dy.rows == x.rows && dy.cols == x.cols);
  BALLAST_CHECK(alpha.cols == 2 && dalpha.cols == 2);
  const int64_t per = rows_per_range(x.rows), ranges = blocks_for(x.rows, per);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          const int64_t across = blocks_across<n()>(x);
          double* const partials = workspace_of<double>(2 * across * ranges);
          launch(compute_stream(), "xielu_bwd", xielu_bwd_kernel<T, n()>,
                 {.x = across, .threads = kRangeThreads, .y = static_cast<unsigned>(ranges)},
                 device_matrix<T>(dx), partials, device_matrix<const T>(dy),
                 device_matrix<const T>(x), alpha.as<float>(), per);
          launch(compute_stream(), "xielu_bwd dalpha", xielu_dalpha_kernel, {.threads = kThreads},
                 dalpha.as<float>(), partials, across * ranges, alpha.as<float>());
        },
        dx, dy, x);
  });
}

}  // namespace ballast
