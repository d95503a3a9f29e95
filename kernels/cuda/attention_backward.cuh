// Backward attention in bf16, deterministic: no sum crosses a block. One kernel for dQ (a tile of
// queries, keys stream), one for dK and dV (a tile of keys, the queries of all heads that share it
// stream in order). Each forms P again from lse: two more products than with atomics, no workspace
// but RowStats.
#pragma once

#include "kernels/cuda/attention_gradient.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace ballast::attn {

// Registers decide the tiles: 255 a thread hold the sums of the outputs and two tiles of scores.
template <int kDim>
struct QueryTiles {
  static constexpr int kRowTiles = 2, kRows = OwnRows<kRowTiles>::kRows, kKeys = 32;
  static constexpr size_t kSharedBytes =
      sizeof(bf16) * size_t{tile_elements<kDim>(2 * kRows + 3 * kKeys)};
};
template <int kDim>
struct KeyTiles {
  static constexpr int kRowTiles = kDim <= 64 ? 2 : 1, kRows = OwnRows<kRowTiles>::kRows;
  static constexpr int kQueries = 32;
  static constexpr size_t kSharedBytes =
      sizeof(bf16) * size_t{2 * tile_elements<kDim>(kRows) + Stages<kDim, kQueries>::kElements} +
      sizeof(RowStats) * 2 * kQueries;
};

template <int kDim, bool kCap>
__global__ void __launch_bounds__(kMmaThreads, 2)
    dq_kernel(Heads<bf16> dheads, DeviceMatrix<const bf16> dout, const RowStats* stats,
              int64_t stats_rows, Heads<const bf16> heads, DeviceMatrix<const int32_t> doc_start,
              Policy<kCap> policy) {
  constexpr int kRowTiles = QueryTiles<kDim>::kRowTiles, kRows = QueryTiles<kDim>::kRows;
  constexpr int kKeys = QueryTiles<kDim>::kKeys;
  bf16* const memory = dynamic_shared<bf16>();
  const SharedTile<kDim> q{memory}, g{memory + tile_elements<kDim>(kRows)};
  // Two stages of keys, one of values: they are done with in the middle of a step.
  const SharedTile<kDim> v{memory + 2 * tile_elements<kDim>(kRows)};
  const auto k = [&](int stage) {
    return SharedTile<kDim>{v.data + (1 + stage) * tile_elements<kDim>(kKeys)};
  };
  const int head = static_cast<int>(blockIdx.x), kv_head = head / heads.group, seq = heads.seq;
  const int64_t b = blockIdx.z, stride = heads.qkv.stride;
  const OwnRows<kRowTiles> rows(gridDim.y - 1 - blockIdx.y, seq);  // those with most keys first
  const int32_t* const starts = doc_start.row(b);
  const SeenKeys<kRowTiles, kKeys> seen(rows, starts, seq);

  const auto load_keys = [&](int stage, int key) {
    load_tile<kKeys>(k(stage), heads.k(b, key, kv_head), stride, seq - key, heads.dim);
    commit_copies();
  };
  const auto load_values = [&](int key) {
    load_tile<kKeys>(v, heads.v(b, key, kv_head), stride, seq - key, heads.dim);
    commit_copies();
  };
  const int first_key = starts[rows.begin] / kKeys * kKeys, count = rows.end - rows.begin;
  load_tile<kRows>(q, heads.q(b, rows.begin, head), stride, count, heads.dim);
  load_tile<kRows>(g, dout.row(b * seq + rows.begin) + head * heads.dim, dout.stride, count,
                   heads.dim);
  load_keys(0, first_key);
  load_values(first_key);

  RowStats row_stats[kRowTiles][2];
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    BALLAST_UNROLL
    for (int h = 0; h < 2; ++h) {
      const int t = rows.warp_begin + row_of_half(m, h);
      row_stats[m][h] = {INFINITY, 0};
      if (t < seq) row_stats[m][h] = stats[(b * heads.heads + head) * stats_rows + t];
    }
  }
  const float factor = log2_factor(policy);
  Sums<kRowTiles, kDim / 8> dq;
  dq.clear();
  int stage = 0;
  for (int key = first_key; key < rows.end; key += kKeys, stage ^= 1) {
    const bool more = key + kKeys < rows.end, seen_any = !seen.none(key);  // the whole warp
    wait_copies<0>();
    block_sync();  // this step's tiles are there, and nobody reads the last one's keys any more
    if (more) load_keys(stage ^ 1, key + kKeys);
    Sums<kRowTiles, kKeys / 8> s, ds;
    if (seen_any) {
      multiply_transposed(s, q, rows.local, k(stage));
      multiply_transposed(ds, g, rows.local, v);
    }
    block_sync();
    if (more) load_values(key + kKeys);
    if (!seen_any) continue;
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int n = 0; n < kKeys / 8; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 4; ++i)
          score_gradient(s.at[m][n][i], ds.at[m][n][i], row_stats[m][i / 2], policy, factor);
      }
    }
    if (!seen.all(key)) seen.mask(ds, key, 0);
    multiply_add(dq, ds, k(stage));
  }
  dq.scale(policy.scale);
  store_rows(dheads.q(b, rows.warp_begin, head), dheads.qkv.stride, rows.warp_rows(), heads.dim, dq,
             q, rows.local);
}

// Scores stand transposed here: keys are rows, queries columns.
template <int kDim, bool kCap>
__global__ void __launch_bounds__(kMmaThreads, 2)
    dkv_kernel(Heads<bf16> dheads, DeviceMatrix<const bf16> dout, const RowStats* stats,
               int64_t stats_rows, Heads<const bf16> heads, DeviceMatrix<const int32_t> doc_start,
               Policy<kCap> policy) {
  constexpr int kRowTiles = KeyTiles<kDim>::kRowTiles, kRows = KeyTiles<kDim>::kRows;
  constexpr int kQueries = KeyTiles<kDim>::kQueries;
  constexpr int kStatsPerCopy = 16 / static_cast<int>(sizeof(RowStats));
  bf16* const memory = dynamic_shared<bf16>();
  const SharedTile<kDim> k{memory}, v{memory + tile_elements<kDim>(kRows)};
  const Stages<kDim, kQueries> stages{memory + 2 * tile_elements<kDim>(kRows)};
  auto* const stage_stats =
      reinterpret_cast<RowStats*>(stages.data + Stages<kDim, kQueries>::kElements);
  const int kv_head = static_cast<int>(blockIdx.x), seq = heads.seq;
  const int64_t b = blockIdx.z, stride = heads.qkv.stride;
  const OwnRows<kRowTiles> rows(blockIdx.y, seq);  // those with most queries first
  const int32_t* const starts = doc_start.row(b);

  const int tiles = tiles_that_see<kQueries>(starts, rows.begin, rows.end, seq);
  const auto load_queries = [&](int stage, int head, int first) {
    load_tile<kQueries>(stages.first(stage), heads.q(b, first, head), stride, seq - first,
                        heads.dim);
    load_tile<kQueries>(stages.second(stage), dout.row(b * seq + first) + head * heads.dim,
                        dout.stride, seq - first, heads.dim);
    const int i = static_cast<int>(threadIdx.x) * kStatsPerCopy;
    if (i < kQueries) {
      copy_async(stage_stats + stage * kQueries + i,
                 stats + (b * heads.heads + head) * stats_rows + first + i);
    }
    commit_copies();
  };
  int head = kv_head * heads.group, first = rows.begin;  // of the step
  load_tile<kRows>(k, heads.k(b, rows.begin, kv_head), stride, rows.end - rows.begin, heads.dim);
  load_tile<kRows>(v, heads.v(b, rows.begin, kv_head), stride, rows.end - rows.begin, heads.dim);
  load_queries(0, head, first);

  const float factor = log2_factor(policy);
  const int end = rows.begin + tiles * kQueries, end_head = head + heads.group;
  Sums<kRowTiles, kDim / 8> dk, dv;
  dk.clear();
  dv.clear();
  for (int stage = 0; head < end_head; stage ^= 1) {
    const int last = first + kQueries < seq ? first + kQueries - 1 : seq - 1, begin = first;
    const int smallest_start = starts[begin], largest_start = starts[last];
    first += kQueries;
    if (first == end) ++head, first = rows.begin;
    wait_copies<0>();
    block_sync();  // this stage is there, and nobody reads the other one any more
    if (head < end_head) load_queries(stage ^ 1, head, first);
    if (last < rows.warp_begin || smallest_start >= rows.warp_end || !rows.any()) continue;

    Sums<kRowTiles, kQueries / 8> p, ds;
    multiply_transposed(p, k, rows.local, stages.first(stage));
    multiply_transposed(ds, v, rows.local, stages.second(stage));
    BALLAST_UNROLL
    for (int n = 0; n < kQueries / 8; ++n) {
      BALLAST_UNROLL
      for (int i = 0; i < 2; ++i) {
        const RowStats row = stage_stats[stage * kQueries + col_of(n, i)];
        BALLAST_UNROLL
        for (int m = 0; m < kRowTiles; ++m) {
          score_gradient(p.at[m][n][i], ds.at[m][n][i], row, policy, factor);
          score_gradient(p.at[m][n][2 + i], ds.at[m][n][2 + i], row, policy, factor);
        }
      }
    }
    if (begin < rows.warp_end - 1 || largest_start > rows.warp_begin) {
      BALLAST_UNROLL
      for (int n = 0; n < kQueries / 8; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 2; ++i) {
          const int t = begin + col_of(n, i), start = t < seq ? starts[t] : 0;
          BALLAST_UNROLL
          for (int m = 0; m < kRowTiles; ++m) {
            BALLAST_UNROLL
            for (int h = 0; h < 2; ++h) {
              const int j = rows.warp_begin + row_of_half(m, h);
              if (j > t || j < start) p.at[m][n][2 * h + i] = ds.at[m][n][2 * h + i] = 0;
            }
          }
        }
      }
    }
    multiply_add(dv, p, stages.second(stage));
    multiply_add(dk, ds, stages.first(stage));
  }
  dk.scale(policy.scale);
  store_rows(dheads.k(b, rows.warp_begin, kv_head), dheads.qkv.stride, rows.warp_rows(), heads.dim,
             dk, k, rows.local);
  store_rows(dheads.v(b, rows.warp_begin, kv_head), dheads.qkv.stride, rows.warp_rows(), heads.dim,
             dv, v, rows.local);
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
