// Rows of the table by token, and the sums of their gradients. The backward sorts the positions by
// token, stably: a tile of positions is ranked by counting in one block, then every position finds
// its place among the other tiles by binary search. One block then adds the rows of one token in
// order, so the result has the bits of a loop over the positions.
#include <limits>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/float_vec.h"
#include "kernels/cuda/launch.h"

namespace ballast {

namespace {

constexpr int kThreads = 128;
constexpr int kTile = 1024;  // positions that are ranked together; threads of that block
constexpr int kAhead = 8;    // rows of one token that are read before they are added
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The host cannot look at tokens; one outside the table gives a row of NaN instead of a wild read.
template <class T, class P, int N>
__global__ void __launch_bounds__(kThreads)
    embed_kernel(DeviceMatrix<T> y, DeviceMatrix<const P> table, const int32_t* tokens) {
  const int64_t row = blockIdx.x;
  const int32_t token = tokens[row];
  const bool known = token >= 0 && token < table.rows;
  for (int64_t c = int64_t{threadIdx.x} * N; c < y.cols; c += kThreads * N) {
    Vec<float, N> from;
    if (known) from = load_floats<N>(table.row(token) + c);
    Vec<T, N> to;
    for (int i = 0; i < N; ++i) to.at[i] = from_float<T>(known ? from.at[i] : kNan);
    store_vec<N>(y.row(row) + c, to);
  }
}

// Positions in the order of their tokens.
struct Sorted {
  int32_t* tokens;
  int32_t* positions;
};

// Sorts one tile: the rank of a position is the count of smaller tokens and of equal ones before.
__global__ void __launch_bounds__(kTile)
    sort_tiles_kernel(Sorted out, const int32_t* tokens, int64_t rows) {
  BALLAST_SHARED(int32_t, tile, kTile);
  const int64_t begin = int64_t{blockIdx.x} * kTile;
  const int thread = static_cast<int>(threadIdx.x);
  const int count = static_cast<int>(rows - begin < kTile ? rows - begin : kTile);
  const int32_t mine = thread < count ? tokens[begin + thread] : 0;
  tile[thread] = mine;
  block_sync();
  if (thread >= count) return;
  int rank = 0;
  for (int i = 0; i < count; ++i) rank += tile[i] < mine || (tile[i] == mine && i < thread) ? 1 : 0;
  out.tokens[begin + rank] = mine;
  out.positions[begin + rank] = static_cast<int32_t>(begin) + thread;
}

// How many of the n sorted tokens stand before a later `token` (equal ones do), or before an
// earlier one (they do not).
__device__ __forceinline__ int count_before(const int32_t* tokens, int n, int32_t token,
                                            bool later) {
  int low = 0, high = n;
  while (low < high) {
    const int middle = (low + high) / 2;
    const bool before = later ? tokens[middle] <= token : tokens[middle] < token;
    low = before ? middle + 1 : low;
    high = before ? high : middle;
  }
  return low;
}

// Merges all tiles: one warp an entry of a tile, one lane another tile.
__global__ void __launch_bounds__(kThreads)
    merge_tiles_kernel(Sorted out, Sorted tiles, int64_t rows) {
  const int64_t at = int64_t{blockIdx.x} * (kThreads / kWarpSize) + threadIdx.x / kWarpSize;
  const bool there = at < rows;
  const int own = static_cast<int>(at / kTile), count = static_cast<int>((rows - 1) / kTile) + 1;
  const int32_t token = there ? tiles.tokens[at] : 0;
  int before = 0;
  for (int t = lane_of_warp(); there && t < count; t += kWarpSize) {
    if (t == own) continue;
    const int64_t begin = int64_t{t} * kTile;
    const int n = static_cast<int>(rows - begin < kTile ? rows - begin : kTile);
    before += count_before(tiles.tokens + begin, n, token, t < own);
  }
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) before += shuffle_xor(before, offset);
  if (!there || lane_of_warp() != 0) return;
  const int64_t place = before + at % kTile;
  out.tokens[place] = token;
  out.positions[place] = tiles.positions[at];
}

// The block of the first entry of a token adds its rows to the table's; the other blocks end.
template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    embed_bwd_kernel(DeviceMatrix<float> dtable, DeviceMatrix<const T> dy, Sorted sorted) {
  const int64_t begin = blockIdx.x;
  const int32_t token = sorted.tokens[begin];
  if (token < 0 || token >= dtable.rows) return;
  if (begin > 0 && sorted.tokens[begin - 1] == token) return;
  const int64_t c = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * N;
  if (c >= dy.cols) return;
  auto sum = load_floats<N>(dtable.row(token) + c);
  int count = kAhead;
  for (int64_t at = begin; count == kAhead; at += kAhead) {
    count = 0;
    for (int i = 0; i < kAhead; ++i)
      count += at + i < dy.rows && sorted.tokens[at + i] == token ? 1 : 0;
    Vec<T, N> rows[kAhead];
    for (int i = 0; i < kAhead; ++i)
      if (i < count) rows[i] = load_vec<N>(dy.row(sorted.positions[at + i]) + c);
    for (int i = 0; i < kAhead; ++i) {
      for (int j = 0; i < count && j < N; ++j) sum.at[j] += to_float(rows[i].at[j]);
    }
  }
  store_floats<N>(dtable.row(token) + c, sum);
}

}  // namespace

void CudaBackend::embed(const Tensor& y, const Tensor& table, const Tensor& tokens) {
  BALLAST_CHECK(y.cols == table.cols && tokens.cols == y.rows);
  with_weight_types(y.dtype, table.dtype, [&](auto zero, auto weight) {
    using T = decltype(zero);
    using P = decltype(weight);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "embed", embed_kernel<T, P, n()>,
                 {.x = y.rows, .threads = kThreads}, device_matrix<T>(y),
                 device_matrix<const P>(table), tokens.as<int32_t>());
        },
        y, table);
  });
}

void CudaBackend::embed_bwd(const Tensor& dtable, const Tensor& dy, const Tensor& tokens) {
  const int64_t rows = dy.rows;
  BALLAST_CHECK(dy.cols == dtable.cols && tokens.cols == rows);
  BALLAST_CHECK(rows <= std::numeric_limits<int32_t>::max());
  int32_t* const memory = workspace_of<int32_t>(4 * rows);
  const Sorted tiles{memory, memory + rows}, sorted{memory + 2 * rows, memory + 3 * rows};
  launch(compute_stream(), "embed_bwd sort", sort_tiles_kernel,
         {.x = blocks_for(rows, kTile), .threads = kTile}, tiles, tokens.as<int32_t>(), rows);
  launch(compute_stream(), "embed_bwd merge", merge_tiles_kernel,
         {.x = blocks_for(rows, kThreads / kWarpSize), .threads = kThreads}, sorted, tiles, rows);
  with_activation_type(dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_vectors<T>(
        [&](auto n) {
          launch(compute_stream(), "embed_bwd", embed_bwd_kernel<T, n()>,
                 {.x = rows,
                  .threads = kThreads,
                  .y = static_cast<unsigned>(blocks_for(dy.cols, int64_t{kThreads} * n()))},
                 device_matrix<float>(dtable), device_matrix<const T>(dy), sorted);
        },
        dy, dtable);
  });
}

}  // namespace ballast
