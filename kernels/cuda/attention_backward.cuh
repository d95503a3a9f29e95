// Backward attention in bf16, deterministic: no sum crosses a block. One kernel for dQ (a tile of
// queries, keys stream), one for dK and dV (a tile of keys, the queries of all heads that share it
// stream in order). Each forms P again from lse: two more products than with atomics, no workspace
// but RowStats.
#pragma once

#include "kernels/cuda/attention_mma.cuh"

namespace ballast::attn {

// Registers decide the tiles: 255 a thread hold the sums of the outputs and two tiles of scores.
template <int kDim>
struct QueryTiles {
  static constexpr int kRowTiles = 2, kRows = kRowTiles * kFragment * kMmaWarps, kKeys = 32;
  static constexpr size_t kSharedBytes =
      sizeof(bf16) * static_cast<size_t>(tile_elements<kDim>(2 * kRows + 4 * kKeys));
};
template <int kDim>
struct KeyTiles {
  static constexpr int kRowTiles = kDim <= 64 ? 2 : 1, kRows = kRowTiles * kFragment * kMmaWarps;
  static constexpr int kQueries = 32;
  static constexpr size_t kSharedBytes =
      sizeof(bf16) * static_cast<size_t>(tile_elements<kDim>(2 * kRows + 4 * kQueries)) +
      sizeof(RowStats) * 2 * kQueries;
};

// From the product q.k (s) and dout.v (dp) to P and dS / scale, in place. lse in units of log 2.
template <bool kCap>
__device__ __forceinline__ void score_gradient(float& s, float& dp, const RowStats& row,
                                               const Policy<kCap>& policy, float factor) {
  float slope = 1;
  if constexpr (kCap) {
    s = policy.score(s);
    slope = policy.slope(s);
  }
  s = exp2_approx(s * factor - row.lse);
  dp = s * (dp - row.delta) * slope;
}

template <int kDim, bool kCap>
__global__ void __launch_bounds__(kMmaThreads, 2)
    dq_kernel(Heads<bf16> dheads, DeviceMatrix<const bf16> dout, const RowStats* stats,
              int64_t stats_rows, Heads<const bf16> heads, DeviceMatrix<const int32_t> doc_start,
              Policy<kCap> policy) {
  using Tiles = QueryTiles<kDim>;
  constexpr int kRowTiles = Tiles::kRowTiles, kRows = Tiles::kRows, kKeys = Tiles::kKeys;
  constexpr int kWarpRows = kRowTiles * kFragment;
  bf16* const memory = dynamic_shared<bf16>();
  const SharedTile<kDim> q{memory}, g{memory + tile_elements<kDim>(kRows)};
  const auto stage_k = [&](int stage) {
    return SharedTile<kDim>{memory + tile_elements<kDim>(2 * kRows + stage * 2 * kKeys)};
  };
  const auto stage_v = [&](int stage) {
    return SharedTile<kDim>{memory + tile_elements<kDim>(2 * kRows + (stage * 2 + 1) * kKeys)};
  };
  const int64_t b = blockIdx.z, head = blockIdx.x, kv_head = head / heads.group;
  const int64_t seq = heads.seq, stride = heads.qkv.stride;
  // The tiles with most keys go first.
  const int64_t begin = int64_t{gridDim.y - 1 - blockIdx.y} * kRows;
  const int64_t end = begin + kRows < seq ? begin + kRows : seq;
  const int32_t* const starts = doc_start.row(b);
  const int local = static_cast<int>(threadIdx.x) / kWarpSize * kWarpRows;
  const int64_t warp_begin = begin + local;
  const int64_t warp_end = warp_begin + kWarpRows < seq ? warp_begin + kWarpRows : seq;
  const bool any_rows = warp_begin < warp_end;
  const int64_t smallest_start = any_rows ? starts[warp_begin] : 0;
  const int64_t largest_start = any_rows ? starts[warp_end - 1] : 0;

  const auto load_keys = [&](int stage, int64_t key) {
    load_tile<kKeys>(stage_k(stage), heads.k(b, key, kv_head), stride, seq - key, heads.dim);
    load_tile<kKeys>(stage_v(stage), heads.v(b, key, kv_head), stride, seq - key, heads.dim);
    commit_copies();
  };
  const int64_t first_key = starts[begin] / kKeys * kKeys;
  load_tile<kRows>(q, heads.q(b, begin, head), stride, end - begin, heads.dim);
  load_tile<kRows>(g, dout.row(b * seq + begin) + head * heads.dim, dout.stride, end - begin,
                   heads.dim);
  load_keys(0, first_key);

  const float factor = log2_factor(policy);
  Sums<kRowTiles, kDim / 8> dq;
  dq.clear();
  RowStats row_stats[kRowTiles][2];
  int row_start[kRowTiles][2];
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    BALLAST_UNROLL
    for (int h = 0; h < 2; ++h) {
      const int64_t t = warp_begin + row_of_half(m, h);
      row_stats[m][h] = {INFINITY, 0};
      row_start[m][h] = 0;
      if (t >= seq) continue;
      row_stats[m][h] = stats[(b * heads.heads + head) * stats_rows + t];
      row_start[m][h] = starts[t];
    }
  }

  int stage = 0;
  for (int64_t key = first_key; key < end; key += kKeys, stage ^= 1) {
    wait_copies<0>();
    block_sync();  // this stage is there, and nobody reads the other one any more
    if (key + kKeys < end) load_keys(stage ^ 1, key + kKeys);
    if (key >= warp_end || key + kKeys <= smallest_start || !any_rows) continue;  // of the warp

    Sums<kRowTiles, kKeys / 8> s, dp;
    multiply_transposed(s, q, local, stage_k(stage));
    multiply_transposed(dp, g, local, stage_v(stage));
    const bool masked = key + kKeys - 1 > warp_begin || key < largest_start;
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int n = 0; n < kKeys / 8; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 4; ++i) {
          float& ds = dp.at[m][n][i];
          score_gradient(s.at[m][n][i], ds, row_stats[m][i / 2], policy, factor);
          if (!masked) continue;
          const int64_t j = key + col_of(n, i), t = warp_begin + row_of_half(m, i / 2);
          if (j > t || j < row_start[m][i / 2]) ds = 0;
        }
      }
    }
    multiply_add(dq, dp, stage_k(stage));
  }

  float scale[kRowTiles][2];
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) scale[m][0] = scale[m][1] = policy.scale;
  store_rows(dheads.q(b, warp_begin, head), dheads.qkv.stride, warp_end - warp_begin, heads.dim, dq,
             scale, q, local);
}

// Tiles of kQueries rows from row `begin` on of which some row sees a key in front of `key_end`.
// Starts do not fall, so these are the first ones.
template <int kQueries>
__device__ __forceinline__ int tiles_that_see(const int32_t* starts, int64_t begin, int64_t key_end,
                                              int64_t seq) {
  int64_t some = 0, none = (seq - begin + kQueries - 1) / kQueries;
  while (some + 1 < none) {
    const int64_t middle = (some + none) / 2;
    (starts[begin + middle * kQueries] < key_end ? some : none) = middle;
  }
  return static_cast<int>(none);
}

// Scores stand transposed here: keys are rows, queries columns.
template <int kDim, bool kCap>
__global__ void __launch_bounds__(kMmaThreads, 2)
    dkv_kernel(Heads<bf16> dheads, DeviceMatrix<const bf16> dout, const RowStats* stats,
               int64_t stats_rows, Heads<const bf16> heads, DeviceMatrix<const int32_t> doc_start,
               Policy<kCap> policy) {
  using Tiles = KeyTiles<kDim>;
  constexpr int kRowTiles = Tiles::kRowTiles, kRows = Tiles::kRows, kQueries = Tiles::kQueries;
  constexpr int kWarpRows = kRowTiles * kFragment;
  constexpr int kStatsPerCopy = 16 / static_cast<int>(sizeof(RowStats));
  bf16* const memory = dynamic_shared<bf16>();
  const SharedTile<kDim> k{memory}, v{memory + tile_elements<kDim>(kRows)};
  const auto stage_q = [&](int stage) {
    return SharedTile<kDim>{memory + tile_elements<kDim>(2 * kRows + stage * 2 * kQueries)};
  };
  const auto stage_g = [&](int stage) {
    return SharedTile<kDim>{memory + tile_elements<kDim>(2 * kRows + (stage * 2 + 1) * kQueries)};
  };
  auto* const stage_stats =
      reinterpret_cast<RowStats*>(memory + tile_elements<kDim>(2 * kRows + 4 * kQueries));
  const int64_t b = blockIdx.z, kv_head = blockIdx.x, seq = heads.seq, stride = heads.qkv.stride;
  const int64_t begin = int64_t{blockIdx.y} * kRows;  // the tiles with most queries go first
  const int64_t end = begin + kRows < seq ? begin + kRows : seq;
  const int32_t* const starts = doc_start.row(b);
  const int local = static_cast<int>(threadIdx.x) / kWarpSize * kWarpRows;
  const int64_t warp_begin = begin + local;
  const int64_t warp_end = warp_begin + kWarpRows < seq ? warp_begin + kWarpRows : seq;
  const bool any_rows = warp_begin < warp_end;

  const int tiles = tiles_that_see<kQueries>(starts, begin, end, seq);
  const int64_t steps = heads.group * tiles;
  const auto load_queries = [&](int stage, int64_t step) {
    const int64_t head = kv_head * heads.group + step / tiles;
    const int64_t first = begin + step % tiles * kQueries;
    load_tile<kQueries>(stage_q(stage), heads.q(b, first, head), stride, seq - first, heads.dim);
    load_tile<kQueries>(stage_g(stage), dout.row(b * seq + first) + head * heads.dim, dout.stride,
                        seq - first, heads.dim);
    const int i = static_cast<int>(threadIdx.x) * kStatsPerCopy;
    if (i < kQueries) {
      copy_async(stage_stats + stage * kQueries + i,
                 stats + (b * heads.heads + head) * stats_rows + first + i);
    }
    commit_copies();
  };
  load_tile<kRows>(k, heads.k(b, begin, kv_head), stride, end - begin, heads.dim);
  load_tile<kRows>(v, heads.v(b, begin, kv_head), stride, end - begin, heads.dim);
  load_queries(0, 0);

  const float factor = log2_factor(policy);
  Sums<kRowTiles, kDim / 8> dk, dv;
  dk.clear();
  dv.clear();
  int stage = 0;
  for (int64_t step = 0; step < steps; ++step, stage ^= 1) {
    const int64_t first = begin + step % tiles * kQueries;
    const int64_t last = first + kQueries < seq ? first + kQueries - 1 : seq - 1;
    const int64_t smallest_start = starts[first], largest_start = starts[last];
    wait_copies<0>();
    block_sync();  // this stage is there, and nobody reads the other one any more
    if (step + 1 < steps) load_queries(stage ^ 1, step + 1);
    if (last < warp_begin || smallest_start >= warp_end || !any_rows) continue;  // of the warp

    Sums<kRowTiles, kQueries / 8> s, dp;
    multiply_transposed(s, k, local, stage_q(stage));
    multiply_transposed(dp, v, local, stage_g(stage));
    const bool masked = first < warp_end - 1 || largest_start > warp_begin;
    BALLAST_UNROLL
    for (int n = 0; n < kQueries / 8; ++n) {
      BALLAST_UNROLL
      for (int side = 0; side < 2; ++side) {
        const int col = col_of(n, side);
        const int64_t t = first + col;
        const RowStats row = stage_stats[stage * kQueries + col];
        const int64_t start = masked && t < seq ? starts[t] : 0;
        BALLAST_UNROLL
        for (int m = 0; m < kRowTiles; ++m) {
          BALLAST_UNROLL
          for (int h = 0; h < 2; ++h) {
            float &p = s.at[m][n][2 * h + side], &ds = dp.at[m][n][2 * h + side];
            score_gradient(p, ds, row, policy, factor);
            const int64_t j = warp_begin + row_of_half(m, h);
            if (masked && (j > t || j < start)) p = ds = 0;
          }
        }
      }
    }
    multiply_add(dv, s, stage_g(stage));
    multiply_add(dk, dp, stage_q(stage));
  }

  float scale[kRowTiles][2], one[kRowTiles][2];
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    scale[m][0] = scale[m][1] = policy.scale;
    one[m][0] = one[m][1] = 1;
  }
  store_rows(dheads.k(b, warp_begin, kv_head), dheads.qkv.stride, warp_end - warp_begin, heads.dim,
             dk, scale, k, local);
  store_rows(dheads.v(b, warp_begin, kv_head), dheads.qkv.stride, warp_end - warp_begin, heads.dim,
             dv, one, v, local);
}

// ---- Host ----

inline void mma_backward(const Stream& stream, const Tensor& dqkv, const Tensor& dout,
                         const RowStats* stats, const Tensor& qkv, const Tensor& doc_start,
                         const AttentionShape& shape, const ScorePolicy& policy) {
  with_policy(policy, [&]<bool kCap>(const Policy<kCap>& scores) {
    with_dim(shape.head_dim, [&](auto dim) {
      const auto run = [&](const char* name, auto kernel, int64_t heads, auto tiles) {
        launch(stream, name, kernel,
               tiles_of(shape, heads, tiles.kRows, kMmaThreads, tiles.kSharedBytes),
               heads_of<bf16>(dqkv, shape), device_matrix<const bf16>(dout), stats,
               padded_rows(shape.seq), heads_of<const bf16>(qkv, shape),
               device_matrix<const int32_t>(doc_start), scores);
      };
      run("attention_bwd dq", dq_kernel<dim(), kCap>, shape.heads, QueryTiles<dim()>());
      run("attention_bwd dkv", dkv_kernel<dim(), kCap>, shape.kv_heads, KeyTiles<dim()>());
    });
  });
}

}  // namespace ballast::attn
