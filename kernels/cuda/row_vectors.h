// How threads share the rows of a matrix, in vectors of N elements: for kernels that treat every
// element alike. Element counts need 64 bits, a vector's place one division.
#pragma once

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast {

// The vector of this thread in a matrix of `rows` rows, row by row over the whole grid.
template <int N>
struct VectorPlace {
  int64_t row, col;
  bool inside;
  __device__ static VectorPlace of_thread(int64_t rows, int64_t cols) {
    const int64_t vectors = cols / N;
    const int64_t at = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    return {at / vectors, at % vectors * N, at < rows * vectors};
  }
};

// ---- What one thread loads for its columns serves several rows ----

inline constexpr int kRowsPerThread = 4;

__host__ __device__ inline int64_t groups_of_rows(int64_t rows) {
  return (rows + kRowsPerThread - 1) / kRowsPerThread;
}
// Threads that map_rows() needs for a matrix.
template <int N>
int64_t threads_of_map(const Tensor& t) {
  return groups_of_rows(t.rows) * (t.cols / N);
}

// y = function(x, i) in the rows of this thread, i being the element's place in its vector. `place`
// counts groups_of_rows() as rows. All loads come before the first store, so that they overlap
// though y may be x.
template <int N, class T, class Function>
__device__ __forceinline__ void map_rows(const DeviceMatrix<T>& y, const DeviceMatrix<const T>& x,
                                         const VectorPlace<N>& place, const Function& function) {
  const int64_t first = place.row * kRowsPerThread;
  Vec<T, N> held[kRowsPerThread];
  BALLAST_UNROLL
  for (int r = 0; r < kRowsPerThread; ++r) {
    if (first + r < x.rows) held[r] = load_vec<N>(x.row(first + r) + place.col);
  }
  BALLAST_UNROLL
  for (int r = 0; r < kRowsPerThread; ++r) {
    if (first + r >= x.rows) continue;
    BALLAST_UNROLL
    for (int i = 0; i < N; ++i) held[r].at[i] = from_float<T>(function(to_float(held[r].at[i]), i));
    store_vec<N>(y.row(first + r) + place.col, held[r]);
  }
}

// ---- Sums over rows: partial p covers the rows [p per, (p + 1) per) ----

// A block is kRangeWarps warps on the same 32 vectors of columns; warp w takes the rows w,
// w + kRangeWarps ... of the range.
inline constexpr int kRangeWarps = 8;
inline constexpr int kRangeThreads = kRangeWarps * kWarpSize;

// Rows of one range, enough for every warp to have one.
inline int64_t rows_per_range(int64_t rows) {
  return rows_per_partial(rows) > kRangeWarps ? rows_per_partial(rows) : kRangeWarps;
}
// Blocks across the columns; the ranges are the grid's y.
template <int N>
int64_t blocks_across(const Tensor& t) {
  return blocks_for(t.cols, int64_t{kWarpSize} * N);
}

// First column of this thread, which may lie behind the last one.
template <int N>
__device__ __forceinline__ int64_t column_of_thread() {
  return (int64_t{blockIdx.x} * kWarpSize + lane_of_warp()) * N;
}

// dx = function(dy, x, i) in the rows and columns of this thread, in the order of rows. dx may be
// dy, hence the loads of several rows before the first store.
template <int N, class T, class Function>
__device__ __forceinline__ void map_range(const DeviceMatrix<T>& dx,
                                          const DeviceMatrix<const T>& dy,
                                          const DeviceMatrix<const T>& x, int64_t per,
                                          const Function& function) {
  constexpr int kHeld = 2;
  const int64_t col = column_of_thread<N>(), begin = blockIdx.y * per;
  if (col >= x.cols) return;
  const int64_t end = begin + per < x.rows ? begin + per : x.rows;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  for (int64_t row = begin + warp; row < end; row += kHeld * kRangeWarps) {
    Vec<T, N> gradient[kHeld], value[kHeld];
    BALLAST_UNROLL
    for (int h = 0; h < kHeld; ++h) {
      const int64_t at = row + h * kRangeWarps;
      if (at >= end) continue;
      gradient[h] = load_vec<N>(dy.row(at) + col);
      value[h] = load_vec<N>(x.row(at) + col);
    }
    BALLAST_UNROLL
    for (int h = 0; h < kHeld; ++h) {
      const int64_t at = row + h * kRangeWarps;
      if (at >= end) continue;
      BALLAST_UNROLL
      for (int i = 0; i < N; ++i) {
        gradient[h].at[i] =
            from_float<T>(function(to_float(gradient[h].at[i]), to_float(value[h].at[i]), i));
      }
      store_vec<N>(dx.row(at) + col, gradient[h]);
    }
  }
}

}  // namespace ballast
