// dK and dV for sm_90a, deterministic as the portable kernels: a block has keys and values, the
// queries of all heads that share them stream in order. dP is in flight while P is formed, dV while
// dS is; with heads of 64 also dK and dV while the next tile's products are issued.
#pragma once

#include "kernels/cuda/attention_gradient.cuh"
#include "kernels/cuda/attention_hopper_tiles.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace ballast::attn {

template <int kDim>
struct HopperKeyGradient {
  static constexpr int kConsumers = 2, kRows = kConsumers * kGroupRows, kQueries = 64;
  static constexpr int kStages = 3, kThreads = (1 + kConsumers) * kGroupThreads;
  using Keys = HopperTile<kDim, kRows>;
  using Queries = HopperTile<kDim, kQueries>;
  static constexpr int kStatsBytes = kQueries * static_cast<int>(sizeof(RowStats));
  static constexpr int kStageBytes = 2 * Queries::kBytes + kStatsBytes;
  static constexpr size_t kTileBytes =
      size_t{2} * Keys::kBytes + size_t{2} * kStages * Queries::kBytes;
  static constexpr int kBarriers = 1 + Ring<kStages>::kBarriers;
  static constexpr size_t kSharedBytes =
      kSwizzlePattern + kTileBytes + size_t{kStages} * kStatsBytes + sizeof(Barrier) * kBarriers;

  Keys k, v;
  unsigned char *queries, *stats_of_stages;
  Barrier* k_full;
  Ring<kStages> ring;
  __device__ __forceinline__ explicit HopperKeyGradient(unsigned char* memory)
      : k{align_to_swizzle(memory)},
        v{k.data + Keys::kBytes},
        queries(v.data + Keys::kBytes),
        stats_of_stages(k.data + kTileBytes),
        k_full(reinterpret_cast<Barrier*>(stats_of_stages + kStages * kStatsBytes)),
        ring{k_full + 1} {}
  __device__ __forceinline__ Queries q(int n) const {
    return {queries + 2 * (n % kStages) * Queries::kBytes};
  }
  __device__ __forceinline__ Queries g(int n) const { return {q(n).data + Queries::kBytes}; }
  __device__ __forceinline__ RowStats* stats(int n) const {
    return reinterpret_cast<RowStats*>(stats_of_stages + n % kStages * kStatsBytes);
  }
  __device__ __forceinline__ void init() const {
    barrier_init(k_full, 1);
    ring.init(kConsumers * kGroupWarps);
    barrier_init_fence();
  }
};

// The two key rows of a thread against tiles of queries from row `begin` on.
struct GradientKeys {
  int key, warp_key, begin, seq;
  const int32_t* starts;
  int unmasked_end;  // tiles before this one lie in documents that began before the warp's keys

  // s, of the queries of a tile, becomes P times the policy's slope, of_p P; zeros where a key is
  // not seen.
  template <int kSums, bool kCap>
  __device__ __forceinline__ void probabilities(uint32_t (&of_p)[kSums / 8][4], float (&s)[kSums],
                                                const RowStats* stats, int tile,
                                                const Policy<kCap>& policy, float factor) const {
    const int first = begin + tile * 2 * kSums;
    const bool all = first >= warp_key + 15 && tile < unmasked_end;
    BALLAST_UNROLL
    for (int i = 0; i < kSums; i += 4) {  // two queries, two keys
      const auto rows = load_vec<2>(stats + col_of_sum(i));
      float p[4];
      BALLAST_UNROLL
      for (int e = 0; e < 4; ++e) p[e] = probability(s[i + e], rows.at[e % 2].lse, policy, factor);
      if (!all) {
        BALLAST_UNROLL
        for (int e = 0; e < 4; ++e) {
          const int t = first + col_of_sum(i + e), j = key + 8 * half_of_sum(e);
          if (j > t || j < (t < seq ? starts[t] : 0)) p[e] = s[i + e] = 0;
        }
      }
      of_p[i / 8][i % 8 / 2] = pack_bf16(p[0], p[1]);
      of_p[i / 8][i % 8 / 2 + 1] = pack_bf16(p[2], p[3]);
    }
  }
};

// s times (ds - delta).
template <int kSums>
__device__ __forceinline__ void score_gradients(float (&ds)[kSums], const float (&s)[kSums],
                                                const RowStats* stats) {
  BALLAST_UNROLL
  for (int i = 0; i < kSums; i += 4) {
    const auto rows = load_vec<2>(stats + col_of_sum(i));
    BALLAST_UNROLL
    for (int e = 0; e < 4; ++e) ds[i + e] = s[i + e] * (ds[i + e] - rows.at[e % 2].delta);
  }
}

// A consumer's sums over one head: its tiles are [from, to), the n-th of the block is the first.
// Scores stand transposed: keys are rows, queries columns.
template <int kDim, bool kCap>
__device__ __forceinline__ void sum_dkv(float (&dk)[kDim / 2], float (&dv)[kDim / 2],
                                        const HopperKeyGradient<kDim>& block,
                                        const GradientKeys& keys, int local, int n, int from,
                                        int to, const Policy<kCap>& policy, float factor) {
  constexpr int kQueries = HopperKeyGradient<kDim>::kQueries;
  // Registers do not suffice for two tiles' products with heads of 128.
  constexpr bool kInFlight = kDim <= 64;
  float s[kQueries / 2], ds[kQueries / 2];
  uint32_t of_p[kQueries / kInner][4], of_ds[kQueries / kInner][4];
  for (int tile = from; tile < to; ++tile) {
    const int at = n + tile;
    block.ring.wait_full(at);
    wgmma_fence(s, ds);
    issue_transposed(s, block.k, local, block.q(at));
    issue_transposed(ds, block.v, local, block.g(at));
    if constexpr (kInFlight) {
      wgmma_wait<1>(s, dk, dv, of_p, of_ds);
      if (tile > from) block.ring.release(at - 1);
    } else {
      wgmma_wait<1>(s);
    }
    keys.probabilities(of_p, s, block.stats(at), tile, policy, factor);
    wgmma_fence(dv, of_p);
    issue_product(dv, of_p, block.g(at), true);
    wgmma_wait<1>(ds);
    score_gradients(ds, s, block.stats(at));
    pack_sums(of_ds, ds);
    wgmma_fence(dk, of_ds);
    issue_product(dk, of_ds, block.q(at), true);
    if constexpr (!kInFlight) {
      wgmma_wait<0>(dk, dv, of_p, of_ds);
      block.ring.release(at);
    }
  }
  if constexpr (kInFlight) {
    wgmma_wait<0>(dk, dv, of_p, of_ds);
    block.ring.release(n + to - 1);
  }
}

template <int kDim, bool kCap>
__global__ void __launch_bounds__(HopperKeyGradient<kDim>::kThreads, 1)
    hopper_dkv_kernel(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap dout,
                      Heads<bf16> dheads, const RowStats* stats, int64_t stats_rows,
                      DeviceMatrix<const int32_t> doc_start, Policy<kCap> policy) {
  if constexpr (kHasWarpgroups) {
    using Block = HopperKeyGradient<kDim>;
    constexpr int kQueries = Block::kQueries;
    const Block block(dynamic_shared<unsigned char>());
    const int kv_head = static_cast<int>(blockIdx.x), batch = static_cast<int>(blockIdx.z);
    const int seq = dheads.seq, first_head = kv_head * dheads.group;
    const int begin = static_cast<int>(blockIdx.y) * Block::kRows;  // those with most queries first
    const int end = begin + Block::kRows < seq ? begin + Block::kRows : seq;
    const int32_t* const starts = doc_start.row(batch);
    const int tiles = uniform(tiles_that_see<kQueries>(starts, begin, end, seq));
    if (threadIdx.x == 0) block.init();
    block_sync();
    const int group = uniform(static_cast<int>(threadIdx.x) / kGroupThreads);
    if (group == 0) {
      give_registers<kProducerRegisters>();
      if (threadIdx.x == 0) {
        const int k_head = dheads.heads + kv_head, kv_heads = dheads.heads / dheads.group;
        barrier_expect(block.k_full, 2 * block.k.kBytes);
        block.k.load(qkv, block.k_full, k_head, begin, batch);
        block.v.load(qkv, block.k_full, k_head + kv_heads, begin, batch);
        for (int n = 0; n < tiles * dheads.group; ++n) {
          const int head = first_head + n / tiles, row = begin + n % tiles * kQueries;
          Barrier* const full = block.ring.full + n % Block::kStages;
          block.ring.wait_empty(n);
          barrier_expect(full, Block::kStageBytes);
          block.q(n).load(qkv, full, head, row, batch);
          block.g(n).load(dout, full, head, row, batch);
          bulk_load(block.stats(n),
                    stats + (int64_t{batch} * dheads.heads + head) * stats_rows + row,
                    Block::kStatsBytes, full);
        }
      }
    } else {
      take_registers<kConsumerRegisters>();
      const int local = (group - 1) * kGroupRows, row = begin + local;
      const int row_end = row + kGroupRows < end ? row + kGroupRows : end;
      float dk[kDim / 2], dv[kDim / 2];
      BALLAST_UNROLL
      for (int i = 0; i < kDim / 2; ++i) dk[i] = dv[i] = 0;
      int from = tiles, to = tiles;
      if (row < row_end) {
        from = local / kQueries;
        to = uniform(tiles_that_see<kQueries>(starts, begin, row_end, seq));
      }
      const int key = row + row_in_group(), warp_key = key - lane_of_warp() / 4;
      const GradientKeys keys{key,    warp_key,
                              begin,  seq,
                              starts, tiles_from_before<kQueries>(starts, begin, warp_key, seq)};
      barrier_wait(block.k_full, 0);
      const float factor = log2_factor(policy);
      for (int n = 0; n < tiles * dheads.group; n += tiles) {
        for (int tile = 0; tile < from; ++tile) block.ring.pass(n + tile);
        if (from < to) sum_dkv(dk, dv, block, keys, local, n, from, to, policy, factor);
        for (int tile = from < to ? to : from; tile < tiles; ++tile) block.ring.pass(n + tile);
      }
      if (row < row_end) {
        scale_sums(dk, policy.scale);
        store_group(dheads.k(batch, row, kv_head), dheads.qkv.stride, row_end - row, dheads.dim, dk,
                    block.k, local, group);
        store_group(dheads.v(batch, row, kv_head), dheads.qkv.stride, row_end - row, dheads.dim, dv,
                    block.v, local, group);
      }
    }
  }
}

}  // namespace ballast::attn
