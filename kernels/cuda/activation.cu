// SwiGLU, GELU and squared ReLU, forward and backward: one vector a thread, nothing read twice. The
// backward computes the activation's parts again, which is cheaper than reading them.
// kernels/ref/activation.h has the formulas.
#include "kernels/cuda/row_vectors.h"

namespace ballast {

namespace {

constexpr int kThreads = 256;
constexpr float kInverseSqrt2 = 0.70710678118654752f;
constexpr float kInverseSqrt2Pi = 0.39894228040143268f;

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// By erfc, which keeps its precision in the left tail.
__device__ __forceinline__ float normal_cdf(float x) { return 0.5f * erfcf(x * -kInverseSqrt2); }

template <Activation kKind>
__device__ __forceinline__ float activate(float x) {
  if constexpr (kKind == Activation::gelu) return x * normal_cdf(x);
  return x <= 0 ? 0.0f : x * x;  // NaN stays NaN
}

template <Activation kKind>
__device__ __forceinline__ float activate_slope(float x) {
  if constexpr (kKind == Activation::gelu) {
    return normal_cdf(x) + x * (kInverseSqrt2Pi * expf(-0.5f * x * x));
  }
  return x <= 0 ? 0.0f : 2.0f * x;
}

template <class T, int N, Activation kKind>
__global__ void __launch_bounds__(kThreads)
    activation_kernel(DeviceMatrix<T> y, DeviceMatrix<const T> x) {
  const auto p = VectorPlace<N>::of_thread(y.rows, y.cols);
  if (!p.inside) return;
  auto v = load_vec<N>(x.row(p.row) + p.col);
  for (int i = 0; i < N; ++i) v.at[i] = from_float<T>(activate<kKind>(to_float(v.at[i])));
  store_vec<N>(y.row(p.row) + p.col, v);
}

template <class T, int N, Activation kKind>
__global__ void __launch_bounds__(kThreads)
    activation_bwd_kernel(DeviceMatrix<T> dx, DeviceMatrix<const T> dy, DeviceMatrix<const T> x) {
  const auto p = VectorPlace<N>::of_thread(dy.rows, dy.cols);
  if (!p.inside) return;
  const auto v = load_vec<N>(x.row(p.row) + p.col);
  auto g = load_vec<N>(dy.row(p.row) + p.col);
  for (int i = 0; i < N; ++i)
    g.at[i] = from_float<T>(to_float(g.at[i]) * activate_slope<kKind>(to_float(v.at[i])));
  store_vec<N>(dx.row(p.row) + p.col, g);
}

// Rows of x are [gate|up], each as wide as y.
template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    swiglu_kernel(DeviceMatrix<T> y, DeviceMatrix<const T> x) {
  const auto p = VectorPlace<N>::of_thread(y.rows, y.cols);
  if (!p.inside) return;
  const T* const from = x.row(p.row) + p.col;
  const auto gate = load_vec<N>(from);
  auto up = load_vec<N>(from + y.cols);
  for (int i = 0; i < N; ++i) {
    const float v = to_float(gate.at[i]);
    up.at[i] = from_float<T>(v * sigmoid(v) * to_float(up.at[i]));
  }
  store_vec<N>(y.row(p.row) + p.col, up);
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    swiglu_bwd_kernel(DeviceMatrix<T> dx, DeviceMatrix<const T> dy, DeviceMatrix<const T> x) {
  const auto p = VectorPlace<N>::of_thread(dy.rows, dy.cols);
  if (!p.inside) return;
  const T* const from = x.row(p.row) + p.col;
  auto gate = load_vec<N>(from), up = load_vec<N>(from + dy.cols);
  const auto gradient = load_vec<N>(dy.row(p.row) + p.col);
  for (int i = 0; i < N; ++i) {
    const float v = to_float(gate.at[i]), s = sigmoid(v), g = to_float(gradient.at[i]);
    gate.at[i] = from_float<T>(g * to_float(up.at[i]) * (s * (1.0f + v * (1.0f - s))));
    up.at[i] = from_float<T>(g * (v * s));
  }
  T* const to = dx.row(p.row) + p.col;
  store_vec<N>(to, gate);
  store_vec<N>(to + dy.cols, up);
}

// function(integral_constant<Activation, kind>()) for the kinds without a gate.
template <class Function>
void with_kind(Activation kind, const Function& function) {
  if (kind == Activation::gelu) {
    function(std::integral_constant<Activation, Activation::gelu>());
  } else {
    BALLAST_CHECK(kind == Activation::squared_relu);
    function(std::integral_constant<Activation, Activation::squared_relu>());
  }
}

LaunchShape one_vector_a_thread(const Tensor& t, int64_t lanes) {
  return {.x = blocks_for(t.elements() / lanes, kThreads), .threads = kThreads};
}

}  // namespace

void CudaBackend::activation(const Tensor& y, const Tensor& x, Activation kind) {
  BALLAST_CHECK(y.rows == x.rows && x.cols == y.cols * (kind == Activation::swiglu ? 2 : 1));
  with_activation_type(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          const LaunchShape shape = one_vector_a_thread(y, n());
          const auto to = device_matrix<T>(y);
          const auto from = device_matrix<const T>(x);
          if (kind == Activation::swiglu) {
            launch(compute_stream(), "swiglu", swiglu_kernel<T, n()>, shape, to, from);
            return;
          }
          with_kind(kind, [&](auto k) {
            launch(compute_stream(), "activation", activation_kernel<T, n(), k()>, shape, to, from);
          });
        },
        y, x);
  });
}

void CudaBackend::activation_bwd(const Tensor& dx, const Tensor& dy, const Tensor& x,
                                 Activation kind) {
  BALLAST_CHECK(dy.rows == x.rows && x.cols == dy.cols * (kind == Activation::swiglu ? 2 : 1));
  BALLAST_CHECK(dx.rows == x.rows && dx.cols == x.cols);
  with_activation_type(dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          const LaunchShape shape = one_vector_a_thread(dy, n());
          const auto to = device_matrix<T>(dx);
          const auto gradient = device_matrix<const T>(dy), from = device_matrix<const T>(x);
          if (kind == Activation::swiglu) {
            launch(compute_stream(), "swiglu_bwd", swiglu_bwd_kernel<T, n()>, shape, to, gradient,
                   from);
            return;
          }
          with_kind(kind, [&](auto k) {
            launch(compute_stream(), "activation_bwd", activation_bwd_kernel<T, n(), k()>, shape,
                   to, gradient, from);
          });
        },
        dx, dy, x);
  });
}

}  // namespace ballast
