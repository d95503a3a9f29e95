// dQ for sm_90a, deterministic as the portable kernels: a block has queries, keys and values
// stream. The product that ends in dQ is in flight while those that begin the next tile are issued.
#pragma once

#include "kernels/cuda/attention_gradient.cuh"
#include "kernels/cuda/attention_hopper_tiles.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace ballast::attn {

template <int kDim>
struct HopperQueryGradient {
  static constexpr int kConsumers = 2, kRows = kConsumers * kGroupRows;
  static constexpr int kKeys = kDim <= 64 ? 128 : 64;  // as registers allow
  static constexpr int kStages = 3, kThreads = (1 + kConsumers) * kGroupThreads;
  using Queries = HopperTile<kDim, kRows>;
  using Keys = HopperTile<kDim, kKeys>;
  static constexpr size_t kTileBytes =
      size_t{2} * Queries::kBytes + size_t{2} * kStages * Keys::kBytes;
  static constexpr int kBarriers = 1 + 2 * Ring<kStages>::kBarriers;
  static constexpr size_t kSharedBytes = kSwizzlePattern + kTileBytes + sizeof(Barrier) * kBarriers;

  Queries q, g;  // g: dout
  unsigned char* kv;
  Barrier* q_full;
  Ring<kStages> k_ring, v_ring;
  __device__ __forceinline__ explicit HopperQueryGradient(unsigned char* memory)
      : q{align_to_swizzle(memory)},
        g{q.data + Queries::kBytes},
        kv(g.data + Queries::kBytes),
        q_full(reinterpret_cast<Barrier*>(q.data + kTileBytes)),
        k_ring{q_full + 1},
        v_ring{k_ring.full + Ring<kStages>::kBarriers} {}
  __device__ __forceinline__ Keys k(int n) const { return {kv + 2 * (n % kStages) * Keys::kBytes}; }
  __device__ __forceinline__ Keys v(int n) const { return {k(n).data + Keys::kBytes}; }
  __device__ __forceinline__ void init() const {
    barrier_init(q_full, 1);
    k_ring.init(kConsumers * kGroupWarps);
    v_ring.init(kConsumers * kGroupWarps);
    barrier_init_fence();
  }
  __device__ __forceinline__ void pass(int n) const {
    k_ring.pass(n);
    v_ring.pass(n);
  }
};

// The two query rows of a thread.
struct GradientRows {
  SeenByRows seen;
  RowStats stats[2];

  __device__ __forceinline__ GradientRows(int row, const RowStats* of_head, const int32_t* starts,
                                          int seq)
      : seen(row, starts, seq) {
    BALLAST_UNROLL
    for (int h = 0; h < 2; ++h) {
      stats[h] = {INFINITY, 0};
      if (seen.last[h] < seq) stats[h] = of_head[seen.last[h]];
    }
  }
  // s, of the keys from `key`, becomes P times the policy's slope; zeros where a key is not seen.
  template <int kSums, bool kCap>
  __device__ __forceinline__ void probabilities(float (&s)[kSums], int key,
                                                const Policy<kCap>& policy, float factor) const {
    BALLAST_UNROLL
    for (int i = 0; i < kSums; ++i) probability(s[i], stats[half_of_sum(i)].lse, policy, factor);
    seen.mask(s, key, 0);
  }
};

// A consumer's tiles [from, to) of the block's; the others' it passes.
template <int kDim, bool kCap>
__device__ __forceinline__ void sum_dq(float (&dq)[kDim / 2],
                                       const HopperQueryGradient<kDim>& block,
                                       const GradientRows& rows, int local, int first_key, int from,
                                       int to, int tiles, const Policy<kCap>& policy,
                                       float factor) {
  constexpr int kKeys = HopperQueryGradient<kDim>::kKeys;
  float s[kKeys / 2], ds[kKeys / 2];
  uint32_t a[kKeys / kInner][4];
  for (int n = 0; n < from; ++n) block.pass(n);
  barrier_wait(block.q_full, 0);
  for (int n = from; n < to; ++n) {
    block.k_ring.wait_full(n);
    block.v_ring.wait_full(n);
    wgmma_fence(s, ds);
    issue_transposed(s, block.q, local, block.k(n));
    issue_transposed(ds, block.g, local, block.v(n));
    wgmma_wait<1>(s, dq, a);
    if (n > from) block.k_ring.release(n - 1);
    rows.probabilities(s, first_key + n * kKeys, policy, factor);
    wgmma_wait<0>(ds);
    block.v_ring.release(n);
    BALLAST_UNROLL
    for (int i = 0; i < kKeys / 2; ++i) ds[i] = s[i] * (ds[i] - rows.stats[half_of_sum(i)].delta);
    pack_sums(a, ds);
    wgmma_fence(dq, a);
    issue_product(dq, a, block.k(n), true);
  }
  wgmma_wait<0>(dq, a);
  block.k_ring.release(to - 1);
  for (int n = to; n < tiles; ++n) block.pass(n);
}

template <int kDim, bool kCap>
__global__ void __launch_bounds__(HopperQueryGradient<kDim>::kThreads, 1)
    hopper_dq_kernel(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap dout,
                     Heads<bf16> dheads, const RowStats* stats, int64_t stats_rows,
                     DeviceMatrix<const int32_t> doc_start, Policy<kCap> policy) {
  if constexpr (kHasWarpgroups) {
    using Block = HopperQueryGradient<kDim>;
    const Block block(dynamic_shared<unsigned char>());
    const int head = static_cast<int>(blockIdx.x), batch = static_cast<int>(blockIdx.z);
    const int seq = dheads.seq;
    // Those with most keys first.
    const int begin = static_cast<int>(gridDim.y - 1 - blockIdx.y) * Block::kRows;
    const int end = begin + Block::kRows < seq ? begin + Block::kRows : seq;
    const int32_t* const starts = doc_start.row(batch);
    const int first_key = starts[begin] / Block::kKeys * Block::kKeys;
    const int tiles = (end - first_key + Block::kKeys - 1) / Block::kKeys;
    if (threadIdx.x == 0) block.init();
    block_sync();
    const int group = uniform(static_cast<int>(threadIdx.x) / kGroupThreads);
    if (group == 0) {
      give_registers<kProducerRegisters>();
      if (threadIdx.x == 0) {
        const int k_head = dheads.heads + head / dheads.group;
        const int v_head = k_head + dheads.heads / dheads.group;
        barrier_expect(block.q_full, 2 * block.q.kBytes);
        block.q.load(qkv, block.q_full, head, begin, batch);
        block.g.load(dout, block.q_full, head, begin, batch);
        for (int n = 0; n < tiles; ++n) {
          const int key = first_key + n * Block::kKeys;
          block.k_ring.load(n, block.k(n), qkv, k_head, key, batch);
          block.v_ring.load(n, block.v(n), qkv, v_head, key, batch);
        }
      }
    } else {
      take_registers<kConsumerRegisters>();
      const int local = (group - 1) * kGroupRows, row = begin + local;
      const int row_end = row + kGroupRows < end ? row + kGroupRows : end;
      if (row < row_end) {
        const GradientRows rows(row + row_in_group(),
                                stats + (int64_t{batch} * dheads.heads + head) * stats_rows, starts,
                                seq);
        float dq[kDim / 2];
        BALLAST_UNROLL
        for (int i = 0; i < kDim / 2; ++i) dq[i] = 0;
        const int from = uniform((starts[row] - first_key) / Block::kKeys);
        const int to = (row_end - first_key + Block::kKeys - 1) / Block::kKeys;
        sum_dq(dq, block, rows, local, first_key, from, to, tiles, policy, log2_factor(policy));
        scale_sums(dq, policy.scale);
        store_group(dheads.q(batch, row, head), dheads.qkv.stride, row_end - row, dheads.dim, dq,
                    block.q, local, group);
      } else {
        for (int n = 0; n < tiles; ++n) block.pass(n);
      }
    }
  }
}

}  // namespace ballast::attn
