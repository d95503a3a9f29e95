// RMSNorm, its sum with a branch, LayerNorm; forward one block per run, backward the same and the
// gradient of the gain through partial sums of fixed ranges of runs. kernels/ref/norm.h has the
// formulas.
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast {

namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarpSize;

// Runs of `dim` columns: run r is the columns [r % groups * dim, ...) of row r / groups.
template <class T>
struct Runs {
  DeviceMatrix<T> x;
  int64_t dim;
  __device__ T* at(int64_t run) const {
    const int64_t groups = x.cols / dim;
    return x.row(run / groups) + run % groups * dim;
  }
};

template <class T>
Runs<T> runs_of(const Tensor& t, int64_t dim) {
  return {device_matrix<T>(t), dim};
}

// Calls function(column, vector) for the vectors of one run that are this thread's.
template <class T, int N, class Function>
__device__ __forceinline__ void for_vectors(const T* x, int64_t dim, const Function& function) {
  for (int64_t c = int64_t{threadIdx.x} * N; c < dim; c += kThreads * N) {
    function(c, load_vec<N>(x + c));
  }
}

// y = x r w with x = a (+ b, then stored in `sum`).
template <class T, int N, bool kAdd>
__global__ void __launch_bounds__(kThreads)
    norm_kernel(Runs<T> y, float* rstd, Runs<T> sum, Runs<const T> a, Runs<const T> b,
                const float* w, float eps) {
  BALLAST_SHARED(float, scratch, kWarps);
  const int64_t run = blockIdx.x, dim = y.dim;
  float squares = 0;
  for_vectors<T, N>(a.at(run), dim, [&](int64_t c, Vec<T, N> v) {
    if constexpr (kAdd) {
      const auto branch = load_vec<N>(b.at(run) + c);
      for (int i = 0; i < N; ++i)
        v.at[i] = from_float<T>(to_float(v.at[i]) + to_float(branch.at[i]));
      store_vec<N>(sum.at(run) + c, v);
    }
    for (int i = 0; i < N; ++i) squares += to_float(v.at[i]) * to_float(v.at[i]);
  });
  const float r = rsqrtf(block_sum<kThreads>(squares, scratch) / static_cast<float>(dim) + eps);
  if (threadIdx.x == 0) rstd[run] = r;
  // Each thread reads what it wrote.
  const T* const x = kAdd ? sum.at(run) : a.at(run);
  for_vectors<T, N>(x, dim, [&](int64_t c, Vec<T, N> v) {
    for (int i = 0; i < N; ++i) v.at[i] = from_float<T>(to_float(v.at[i]) * r * w[c + i]);
    store_vec<N>(y.at(run) + c, v);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    norm_bwd_kernel(Runs<T> dx, Runs<const T> dy, Runs<const T> x, const float* w,
                    const float* rstd) {
  BALLAST_SHARED(float, scratch, kWarps);
  const int64_t run = blockIdx.x, dim = dx.dim;
  const float r = rstd[run];
  float dot = 0;
  for_vectors<T, N>(x.at(run), dim, [&](int64_t c, const Vec<T, N>& v) {
    const auto g = load_vec<N>(dy.at(run) + c);
    for (int i = 0; i < N; ++i) dot += w[c + i] * to_float(g.at[i]) * to_float(v.at[i]);
  });
  const float slope = r * r * r * block_sum<kThreads>(dot, scratch) / static_cast<float>(dim);
  for_vectors<T, N>(x.at(run), dim, [&](int64_t c, Vec<T, N> v) {
    const auto g = load_vec<N>(dy.at(run) + c);
    for (int i = 0; i < N; ++i) {
      v.at[i] = from_float<T>(r * w[c + i] * to_float(g.at[i]) - to_float(v.at[i]) * slope);
    }
    store_vec<N>(dx.at(run) + c, v);
  });
}

// Partial p of dw (and dbias): over the runs [p per, (p + 1) per), one thread a column. mean null:
// RMSNorm.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gain_partials_kernel(float* dw, float* dbias, Runs<const T> dy, Runs<const T> x,
                         const float* mean, const float* rstd, int64_t runs, int64_t per) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x, dim = x.dim;
  if (c >= dim) return;
  const int64_t begin = blockIdx.y * per, end = begin + per < runs ? begin + per : runs;
  float slope = 0, shift = 0;
  for (int64_t run = begin; run < end; ++run) {
    const float g = to_float(dy.at(run)[c]);
    const float centre = mean == nullptr ? 0.0f : mean[run];
    slope += g * (to_float(x.at(run)[c]) - centre) * rstd[run];
    shift += g;
  }
  dw[blockIdx.y * dim + c] = slope;
  if (dbias != nullptr) dbias[blockIdx.y * dim + c] = shift;
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    layer_norm_kernel(Runs<T> y, float* mean, float* rstd, Runs<const T> x, const float* w,
                      const float* bias, float eps) {
  BALLAST_SHARED(float, scratch, kWarps);
  const int64_t run = blockIdx.x, dim = y.dim;
  const float n = static_cast<float>(dim);
  float sum = 0, squares = 0;
  for_vectors<T, N>(x.at(run), dim, [&](int64_t, const Vec<T, N>& v) {
    for (int i = 0; i < N; ++i) sum += to_float(v.at[i]);
  });
  const float centre = block_sum<kThreads>(sum, scratch) / n;
  for_vectors<T, N>(x.at(run), dim, [&](int64_t, const Vec<T, N>& v) {
    for (int i = 0; i < N; ++i) {
      const float d = to_float(v.at[i]) - centre;
      squares += d * d;
    }
  });
  const float r = rsqrtf(block_sum<kThreads>(squares, scratch) / n + eps);
  if (threadIdx.x == 0) {
    mean[run] = centre;
    rstd[run] = r;
  }
  for_vectors<T, N>(x.at(run), dim, [&](int64_t c, Vec<T, N> v) {
    for (int i = 0; i < N; ++i) {
      v.at[i] = from_float<T>((to_float(v.at[i]) - centre) * r * w[c + i] + bias[c + i]);
    }
    store_vec<N>(y.at(run) + c, v);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    layer_norm_bwd_kernel(Runs<T> dx, Runs<const T> dy, Runs<const T> x, const float* w,
                          const float* mean, const float* rstd) {
  BALLAST_SHARED(float, scratch, kWarps);
  const int64_t run = blockIdx.x, dim = dx.dim;
  const float r = rstd[run], centre = mean[run], n = static_cast<float>(dim);
  float sum = 0, dot = 0;
  for_vectors<T, N>(x.at(run), dim, [&](int64_t c, const Vec<T, N>& v) {
    const auto g = load_vec<N>(dy.at(run) + c);
    for (int i = 0; i < N; ++i) {
      const float slope = w[c + i] * to_float(g.at[i]);
      sum += slope;
      dot += slope * (to_float(v.at[i]) - centre) * r;
    }
  });
  sum = block_sum<kThreads>(sum, scratch) / n;
  dot = block_sum<kThreads>(dot, scratch) / n;
  for_vectors<T, N>(x.at(run), dim, [&](int64_t c, Vec<T, N> v) {
    const auto g = load_vec<N>(dy.at(run) + c);
    for (int i = 0; i < N; ++i) {
      const float hat = (to_float(v.at[i]) - centre) * r;
      v.at[i] = from_float<T>(r * (w[c + i] * to_float(g.at[i]) - sum - hat * dot));
    }
    store_vec<N>(dx.at(run) + c, v);
  });
}

int64_t count_of_runs(const Tensor& x, const Tensor& w) {
  BALLAST_CHECK(w.rows == 1 && w.cols > 0 && x.cols % w.cols == 0);
  return x.rows * (x.cols / w.cols);
}

// A run as a matrix, for the question whether vectors fit it.
Tensor shape_of_run(const Tensor& x, int64_t dim) {
  return {x.data, x.dtype, x.rows, dim, x.stride};
}

}  // namespace

void CudaBackend::norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                       float eps) {
  const int64_t runs = count_of_runs(x, w), dim = w.cols;
  BALLAST_CHECK(rstd.elements() == runs);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "norm", norm_kernel<T, n(), false>,
                 {.x = runs, .threads = kThreads}, runs_of<T>(y, dim), rstd.as<float>(), Runs<T>{},
                 runs_of<const T>(x, dim), Runs<const T>{}, w.as<float>(), eps);
        },
        shape_of_run(x, dim), shape_of_run(y, dim));
  });
}

void CudaBackend::add_norm(const Tensor& y, const Tensor& rstd, const Tensor& sum, const Tensor& x,
                           const Tensor& branch, const Tensor& w, float eps) {
  const int64_t dim = w.cols;
  BALLAST_CHECK(x.cols == dim && branch.cols == dim && sum.cols == dim &&
                rstd.elements() == x.rows);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "add_norm", norm_kernel<T, n(), true>,
                 {.x = x.rows, .threads = kThreads}, runs_of<T>(y, dim), rstd.as<float>(),
                 runs_of<T>(sum, dim), runs_of<const T>(x, dim), runs_of<const T>(branch, dim),
                 w.as<float>(), eps);
        },
        x, y, sum, branch);
  });
}

void CudaBackend::norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                           const Tensor& w, const Tensor& rstd) {
  const int64_t runs = count_of_runs(x, w), dim = w.cols, per = rows_per_partial(runs);
  const int64_t partials = blocks_for(runs, per);
  float* const sums = workspace_of<float>(partials * dim);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    // Before dx, which may stand where dy does.
    launch(
        compute_stream(), "norm_bwd gain", gain_partials_kernel<T>,
        {.x = blocks_for(dim, kThreads), .threads = kThreads, .y = static_cast<unsigned>(partials)},
        sums, nullptr, runs_of<const T>(dy, dim), runs_of<const T>(x, dim), nullptr,
        rstd.as<float>(), runs, per);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "norm_bwd", norm_bwd_kernel<T, n()>,
                 {.x = runs, .threads = kThreads}, runs_of<T>(dx, dim), runs_of<const T>(dy, dim),
                 runs_of<const T>(x, dim), w.as<float>(), rstd.as<float>());
        },
        shape_of_run(x, dim), shape_of_run(dx, dim), shape_of_run(dy, dim));
  });
  add_partials(dw, sums, partials);
}

void CudaBackend::layer_norm(const Tensor& y, const Tensor& mean, const Tensor& rstd,
                             const Tensor& x, const Tensor& w, const Tensor& bias, float eps) {
  const int64_t runs = count_of_runs(x, w), dim = w.cols;
  BALLAST_CHECK(rstd.elements() == runs && mean.elements() == runs && bias.cols == dim);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "layer_norm", layer_norm_kernel<T, n()>,
                 {.x = runs, .threads = kThreads}, runs_of<T>(y, dim), mean.as<float>(),
                 rstd.as<float>(), runs_of<const T>(x, dim), w.as<float>(), bias.as<float>(), eps);
        },
        shape_of_run(x, dim), shape_of_run(y, dim));
  });
}

void CudaBackend::layer_norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dbias,
                                 const Tensor& dy, const Tensor& x, const Tensor& w,
                                 const Tensor& mean, const Tensor& rstd) {
  const int64_t runs = count_of_runs(x, w), dim = w.cols, per = rows_per_partial(runs);
  const int64_t partials = blocks_for(runs, per);
  float* const sums = workspace_of<float>(2 * partials * dim);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    launch(
        compute_stream(), "layer_norm_bwd gain", gain_partials_kernel<T>,
        {.x = blocks_for(dim, kThreads), .threads = kThreads, .y = static_cast<unsigned>(partials)},
        sums, sums + partials * dim, runs_of<const T>(dy, dim), runs_of<const T>(x, dim),
        mean.as<float>(), rstd.as<float>(), runs, per);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "layer_norm_bwd", layer_norm_bwd_kernel<T, n()>,
                 {.x = runs, .threads = kThreads}, runs_of<T>(dx, dim), runs_of<const T>(dy, dim),
                 runs_of<const T>(x, dim), w.as<float>(), mean.as<float>(), rstd.as<float>());
        },
        shape_of_run(x, dim), shape_of_run(dx, dim), shape_of_run(dy, dim));
  });
  add_partials(dw, sums, partials);
  add_partials(dbias, sums + partials * dim, partials);
}

}  // namespace ballast
