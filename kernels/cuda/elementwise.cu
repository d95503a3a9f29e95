// add, scale, cast: one pass in whole vectors where rows allow it.
#include "kernels/cuda/row_vectors.h"

namespace ballast {

namespace {

constexpr int kThreads = 256;

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    add_kernel(DeviceMatrix<T> y, DeviceMatrix<const T> a, DeviceMatrix<const T> b) {
  const VectorPlace p = VectorPlace<N>::of_thread(y.rows, y.cols);
  if (!p.inside) return;
  const auto left = load_vec<N>(a.row(p.row) + p.col), right = load_vec<N>(b.row(p.row) + p.col);
  Vec<T, N> sum;
  for (int i = 0; i < N; ++i)
    sum.at[i] = from_float<T>(to_float(left.at[i]) + to_float(right.at[i]));
  store_vec<N>(y.row(p.row) + p.col, sum);
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    scale_kernel(DeviceMatrix<T> y, DeviceMatrix<const T> x, float factor) {
  const VectorPlace p = VectorPlace<N>::of_thread(y.rows, y.cols);
  if (!p.inside) return;
  const auto in = load_vec<N>(x.row(p.row) + p.col);
  Vec<T, N> out;
  for (int i = 0; i < N; ++i) out.at[i] = from_float<T>(factor * to_float(in.at[i]));
  store_vec<N>(y.row(p.row) + p.col, out);
}

template <class To, class From, int N>
__global__ void __launch_bounds__(kThreads)
    cast_kernel(DeviceMatrix<To> y, DeviceMatrix<const From> x) {
  const VectorPlace p = VectorPlace<N>::of_thread(y.rows, y.cols);
  if (!p.inside) return;
  Vec<From, N> in;
  if constexpr (sizeof(From) * N > 16) {
    constexpr int kHalf = N / 2;
    const auto low = load_vec<kHalf>(x.row(p.row) + p.col);
    const auto high = load_vec<kHalf>(x.row(p.row) + p.col + kHalf);
    for (int i = 0; i < kHalf; ++i) in.at[i] = low.at[i], in.at[i + kHalf] = high.at[i];
  } else {
    in = load_vec<N>(x.row(p.row) + p.col);
  }
  To* const to = y.row(p.row) + p.col;
  for (int i = 0; i < N; ++i) to[i] = from_float<To>(to_float(in.at[i]));
}

}  // namespace

void CudaBackend::add(const Tensor& y, const Tensor& a, const Tensor& b) {
  BALLAST_CHECK(y.rows == a.rows && y.rows == b.rows && y.cols == a.cols && y.cols == b.cols);
  with_activation_type(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "add", add_kernel<T, n()>,
                 {.x = blocks_for(y.elements() / n(), kThreads), .threads = kThreads},
                 device_matrix<T>(y), device_matrix<const T>(a), device_matrix<const T>(b));
        },
        y, a, b);
  });
}

void CudaBackend::scale(const Tensor& y, const Tensor& x, float factor) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols);
  with_activation_type(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "scale", scale_kernel<T, n()>,
                 {.x = blocks_for(y.elements() / n(), kThreads), .threads = kThreads},
                 device_matrix<T>(y), device_matrix<const T>(x), factor);
        },
        y, x);
  });
}

void CudaBackend::cast(const Tensor& y, const Tensor& x) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols);
  with_activation_type(y.dtype, [&](auto to) {
    with_activation_type(x.dtype, [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      using Narrow = std::conditional_t<(sizeof(To) < sizeof(From)), To, From>;
      with_vectors<Narrow>(
          [&](auto n) {
            launch(compute_stream(), "cast", cast_kernel<To, From, n()>,
                   {.x = blocks_for(y.elements() / n(), kThreads), .threads = kThreads},
                   device_matrix<To>(y), device_matrix<const From>(x));
          },
          y, x);
    });
  });
}

}  // namespace ballast
