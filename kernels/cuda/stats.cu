// Statistics and block norms: sums in double whose order depends on shapes only, not on alignment
// or strides. Elements are taken in groups of one vector of a row, whether or not it can be read as
// one.
#include <algorithm>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int64_t kMaxParts = 1024;    // partial sums of stats(), one per block
constexpr int64_t kGroupsPerPart = 4;  // at least so many groups per thread

// Group of up to kLanes<T> elements at p, of which `count` exist; zeros behind them.
template <class T>
__device__ __forceinline__ Vec<T, kLanes<T>> load_group(const T* p, int64_t count, bool whole) {
  constexpr int kN = kLanes<T>;
  if (whole && count >= kN) return load_vec<kN>(p);
  Vec<T, kN> v;
  for (int i = 0; i < kN; ++i) v.at[i] = i < count ? p[i] : from_float<T>(0);
  return v;
}

// In the columns of stats().
struct Statistics {
  double squares = 0, fourths = 0;
  float top = 0;
  double not_finite = 0, zeros = 0;

  __device__ __forceinline__ void combine(double* scratch, float* float_scratch) {
    squares = block_sum<kThreads>(squares, scratch);
    fourths = block_sum<kThreads>(fourths, scratch);
    top = block_max<kThreads>(top, float_scratch);
    not_finite = block_sum<kThreads>(not_finite, scratch);
    zeros = block_sum<kThreads>(zeros, scratch);
  }
  __device__ __forceinline__ void store(double* out) const {
    out[0] = squares;
    out[1] = fourths;
    out[2] = static_cast<double>(top);
    out[3] = not_finite;
    out[4] = zeros;
  }
};

// Partial p: the groups [p per, (p + 1) per) of x, row by row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    stats_kernel(double* partials, DeviceMatrix<const T> x, int64_t per, bool whole) {
  BALLAST_SHARED(double, scratch, kWarps);
  BALLAST_SHARED(float, float_scratch, kWarps);
  constexpr int kN = kLanes<T>;
  const int64_t in_row = (x.cols + kN - 1) / kN, groups = x.rows * in_row;
  const int64_t begin = blockIdx.x * per, end = begin + per < groups ? begin + per : groups;
  const int64_t first = begin + threadIdx.x;
  // One division per thread: the place moves by kThreads groups.
  int64_t row = first / in_row, group = first % in_row;
  const int64_t rows_on = kThreads / in_row, groups_on = kThreads % in_row;
  Statistics sum;
  int64_t finite = 0, seen = 0, zeros = 0;
  for (int64_t at = first; at < end; at += kThreads) {
    const int64_t c = group * kN, count = x.cols - c;
    const auto v = load_group(x.row(row) + c, count, whole);
    for (int i = 0; i < kN; ++i) {
      const float magnitude = fabsf(to_float(v.at[i]));
      const bool is_finite = magnitude < INFINITY;  // false for NaN
      const float kept = is_finite ? magnitude : 0.0f;
      const double square = static_cast<double>(kept) * static_cast<double>(kept);
      sum.squares += square;
      sum.fourths += square * square;
      sum.top = fmaxf(sum.top, kept);
      finite += is_finite ? 1 : 0;
      zeros += magnitude == 0 ? 1 : 0;
    }
    // The zeros behind a row's end do not exist.
    if (count < kN) zeros -= kN - count;
    seen += kN;
    row += rows_on;
    group += groups_on;
    if (group >= in_row) group -= in_row, ++row;
  }
  sum.not_finite = static_cast<double>(seen - finite);
  sum.zeros = static_cast<double>(zeros);
  sum.combine(scratch, float_scratch);
  if (threadIdx.x == 0) sum.store(partials + blockIdx.x * kStatsCols);
}

// The partials of all blocks, by one block.
__global__ void __launch_bounds__(kThreads)
    add_stats_kernel(double* out, const double* partials, int64_t count) {
  BALLAST_SHARED(double, scratch, kWarps);
  BALLAST_SHARED(float, float_scratch, kWarps);
  Statistics sum;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    const double* const part = partials + i * kStatsCols;
    sum.squares += part[0];
    sum.fourths += part[1];
    sum.top = fmaxf(sum.top, static_cast<float>(part[2]));
    sum.not_finite += part[3];
    sum.zeros += part[4];
  }
  sum.combine(scratch, float_scratch);
  if (threadIdx.x == 0) sum.store(out);
}

// One block of the flat index.
__global__ void __launch_bounds__(kThreads)
    norm_blocks_kernel(double* out, const float* x, int64_t n, bool whole) {
  BALLAST_SHARED(double, scratch, kWarps);
  constexpr int kN = kLanes<float>;
  const int64_t begin = blockIdx.x * kFlatBlock;
  const int64_t end = begin + kFlatBlock < n ? begin + kFlatBlock : n;
  double sum = 0;
  for (int64_t at = begin + int64_t{threadIdx.x} * kN; at < end; at += kThreads * kN) {
    const auto v = load_group(x + at, end - at, whole);
    for (int i = 0; i < kN; ++i)
      sum += static_cast<double>(v.at[i]) * static_cast<double>(v.at[i]);  // an exact product
  }
  sum = block_sum<kThreads>(sum, scratch);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

// Whether every row begins where a vector may be read; the end of a row is dealt with.
bool rows_are_aligned(const Tensor& x) {
  return reinterpret_cast<uintptr_t>(x.data) % 16 == 0 &&
         (x.rows <= 1 || x.stride * bytes_of(x.dtype) % 16 == 0);
}

}  // namespace

void CudaBackend::stats(const Tensor& out, const Tensor& x) {
  BALLAST_CHECK(out.dtype == Dtype::f64 && out.cols == kStatsCols);
  with_activation_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t groups = x.rows * blocks_for(x.cols, kLanes<T>);
    const int64_t parts = std::min(kMaxParts, blocks_for(groups, kGroupsPerPart * kThreads));
    const int64_t per = parts == 0 ? 0 : blocks_for(groups, parts);
    double* const partials = workspace_of<double>(parts * kStatsCols);
    launch(compute_stream(), "stats", stats_kernel<T>, {.x = parts, .threads = kThreads}, partials,
           device_matrix<const T>(x), per, rows_are_aligned(x));
    launch(compute_stream(), "stats sum", add_stats_kernel, {.threads = kThreads}, out.as<double>(),
           partials, parts);
  });
}

void CudaBackend::norm_blocks(const Tensor& out, const Tensor& x) {
  const int64_t blocks = blocks_for(x.cols, kFlatBlock);
  BALLAST_CHECK(out.dtype == Dtype::f64 && out.cols == blocks && x.dtype == Dtype::f32);
  launch(compute_stream(), "norm_blocks", norm_blocks_kernel, {.x = blocks, .threads = kThreads},
         out.as<double>(), x.as<float>(), x.cols, rows_are_aligned(x));
}

}  // namespace ballast
