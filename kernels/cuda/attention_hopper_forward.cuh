// Forward attention for sm_90a after FlashAttention-3 (Shah et al. 2024, section 3.2): while a
// consumer's tensor cores multiply the last tile's probabilities with V, its threads do the softmax
// of the next tile of scores. attention_forward.cuh has the portable kernel with the same results.
#pragma once

#include "kernels/cuda/attention_hopper.h"
#include "kernels/cuda/attention_hopper_tiles.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace ballast::attn {

template <int kDim>
struct HopperForward {
  static constexpr int kConsumers = 2, kRows = kConsumers * kGroupRows, kKeys = 128;
  static constexpr int kStages = kDim <= 64 ? 4 : 2;
  static constexpr int kThreads = (1 + kConsumers) * kGroupThreads;
  using Queries = HopperTile<kDim, kRows>;
  using Keys = HopperTile<kDim, kKeys>;
  static constexpr size_t kTileBytes = Queries::kBytes + size_t{2} * kStages * Keys::kBytes;
  static constexpr int kBarriers = 1 + 2 * Ring<kStages>::kBarriers;
  static constexpr size_t kSharedBytes = kSwizzlePattern + kTileBytes + sizeof(Barrier) * kBarriers;

  Queries q;
  unsigned char* kv;
  Barrier* q_full;
  Ring<kStages> k_ring, v_ring;
  __device__ __forceinline__ explicit HopperForward(unsigned char* memory)
      : q{align_to_swizzle(memory)},
        kv(q.data + Queries::kBytes),
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

struct HopperHeads {
  int seq, heads, kv_heads, dim;
};

// The running softmax of a thread's two rows: largest product so far (score, with a cap) and this
// thread's part of the sum of exponentials.
struct HopperSoftmax {
  SeenByRows seen;
  float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};

  // s, of the keys from `key`, becomes exp(score - top); what was summed before has to be scaled by
  // `rescale`.
  template <int kSums, bool kCap>
  __device__ __forceinline__ void add(float (&s)[kSums], float (&rescale)[2], int key,
                                      const Policy<kCap>& policy, float factor) {
    if constexpr (kCap) {
      BALLAST_UNROLL
      for (int i = 0; i < kSums; ++i) s[i] = policy.score(s[i]);
    }
    seen.mask(s, key, -INFINITY);
    BALLAST_UNROLL
    for (int h = 0; h < 2; ++h) {
      float higher = top[h];
      BALLAST_UNROLL
      for (int i = 2 * h; i < kSums; i += 4) higher = max_nan(higher, max_nan(s[i], s[i + 1]));
      higher = max_nan(higher, shuffle_xor(higher, 1));
      higher = max_nan(higher, shuffle_xor(higher, 2));
      // A row that has seen no key yet: all its exponentials are 0.
      const float shift = higher == -INFINITY ? 0.0f : higher * factor;
      rescale[h] = exp2_approx(top[h] * factor - shift);
      float added = 0;
      BALLAST_UNROLL
      for (int i = 2 * h; i < kSums; i += 4) {
        s[i] = exp2_approx(s[i] * factor - shift);
        s[i + 1] = exp2_approx(s[i + 1] * factor - shift);
        added += s[i] + s[i + 1];
      }
      top[h] = higher;
      sum[h] = sum[h] * rescale[h] + added;
    }
  }
};

template <int kSums>
__device__ __forceinline__ void scale_halves(float (&sums)[kSums], const float (&factors)[2]) {
  BALLAST_UNROLL
  for (int i = 0; i < kSums; ++i) sums[i] *= factors[half_of_sum(i)];
}

// The producer: queries, then keys and values of the tiles from `first_key`.
template <int kDim>
__device__ __forceinline__ void load_forward(const HopperForward<kDim>& block, const TensorMap& qkv,
                                             const HopperHeads& heads, int head, int batch, int row,
                                             int first_key, int tiles) {
  const int k_head = heads.heads + head / (heads.heads / heads.kv_heads);
  barrier_expect(block.q_full, block.q.kBytes);
  block.q.load(qkv, block.q_full, head, row, batch);
  for (int n = 0; n < tiles; ++n) {
    const int key = first_key + n * block.kKeys;
    block.k_ring.load(n, block.k(n), qkv, k_head, key, batch);
    block.v_ring.load(n, block.v(n), qkv, k_head + heads.kv_heads, key, batch);
  }
}

// A consumer's tiles [from, to) of the block's; the others' it passes. out: not divided by the sums
// yet.
template <int kDim, bool kCap>
__device__ __forceinline__ void attend(float (&out)[kDim / 2], HopperSoftmax& softmax,
                                       const HopperForward<kDim>& block, int local, int first_key,
                                       int from, int to, int tiles, const Policy<kCap>& policy,
                                       float factor) {
  constexpr int kKeys = HopperForward<kDim>::kKeys;
  float s[kKeys / 2], rescale[2];
  uint32_t p[kKeys / kInner][4];
  for (int n = 0; n < from; ++n) block.pass(n);
  barrier_wait(block.q_full, 0);
  block.k_ring.wait_full(from);
  wgmma_fence(s);
  issue_transposed(s, block.q, local, block.k(from));
  wgmma_wait<0>(s);
  block.k_ring.release(from);
  softmax.add(s, rescale, first_key + from * kKeys, policy, factor);
  pack_sums(p, s);
  for (int n = from + 1; n < to; ++n) {
    block.k_ring.wait_full(n);
    wgmma_fence(s, out, p);
    issue_transposed(s, block.q, local, block.k(n));
    block.v_ring.wait_full(n - 1);
    wgmma_fence();
    issue_product(out, p, block.v(n - 1), true);
    wgmma_wait<1>(s);
    block.k_ring.release(n);
    softmax.add(s, rescale, first_key + n * kKeys, policy, factor);
    wgmma_wait<0>(out, p);
    block.v_ring.release(n - 1);
    scale_halves(out, rescale);
    pack_sums(p, s);
  }
  block.v_ring.wait_full(to - 1);
  wgmma_fence(out, p);
  issue_product(out, p, block.v(to - 1), true);
  wgmma_wait<0>(out, p);
  block.v_ring.release(to - 1);
  for (int n = to; n < tiles; ++n) block.pass(n);
}

// lse of the thread's rows, whose largest score it returns; over_sum: what divides their outputs.
template <bool kCap>
__device__ __forceinline__ float finish_rows(const HopperSoftmax& softmax, float (&over_sum)[2],
                                             const DeviceMatrix<float>& lse, int batch, int head,
                                             int seq, const Policy<kCap>& policy) {
  float largest = -INFINITY;
  BALLAST_UNROLL
  for (int h = 0; h < 2; ++h) {
    float sum = softmax.sum[h];
    sum += shuffle_xor(sum, 1);
    sum += shuffle_xor(sum, 2);
    over_sum[h] = 1.0f / sum;
    const int t = softmax.seen.last[h];
    if (t >= seq) continue;
    const float top = kCap ? softmax.top[h] : policy.scale * softmax.top[h];
    largest = max_nan(largest, top);
    if (lane_of_warp() % 4 == 0) lse.row(int64_t{batch} * seq + t)[head] = top + logf(sum);
  }
  return largest;
}

// The largest score of a warp's 16 rows, for max_logit: a row of `tops` for each head.
__device__ __forceinline__ void store_top(float* tops, float largest, int batch, int head, int row,
                                          int seq) {
  for (int offset = 4; offset < kWarpSize; offset *= 2)
    largest = max_nan(largest, shuffle_xor(largest, offset));
  if (tops == nullptr || row >= seq || lane_of_warp() != 0) return;
  const int64_t of_sequence = (seq + kHopperTopRows - 1) / kHopperTopRows;
  tops[(int64_t{head} * gridDim.z + batch) * of_sequence + row / kHopperTopRows] = largest;
}

template <int kDim, bool kCap>
__global__ void __launch_bounds__(HopperForward<kDim>::kThreads, 1)
    hopper_forward_kernel(const __grid_constant__ TensorMap qkv, DeviceMatrix<bf16> o,
                          DeviceMatrix<float> lse, float* tops, HopperHeads heads,
                          DeviceMatrix<const int32_t> doc_start, Policy<kCap> policy) {
  if constexpr (kHasWarpgroups) {
    using Block = HopperForward<kDim>;
    constexpr int kKeys = Block::kKeys;
    const Block block(dynamic_shared<unsigned char>());
    const int head = static_cast<int>(blockIdx.x), batch = static_cast<int>(blockIdx.z);
    const int seq = heads.seq;
    // Those with most keys first.
    const int begin = static_cast<int>(gridDim.y - 1 - blockIdx.y) * Block::kRows;
    const int end = begin + Block::kRows < seq ? begin + Block::kRows : seq;
    const int32_t* const starts = doc_start.row(batch);
    const int first_key = starts[begin] / kKeys * kKeys;
    const int tiles = (end - first_key + kKeys - 1) / kKeys;
    if (threadIdx.x == 0) block.init();
    block_sync();
    const int group = uniform(static_cast<int>(threadIdx.x) / kGroupThreads);
    if (group == 0) {
      give_registers<kProducerRegisters>();
      if (threadIdx.x == 0) load_forward(block, qkv, heads, head, batch, begin, first_key, tiles);
    } else {
      take_registers<kConsumerRegisters>();
      const int local = (group - 1) * kGroupRows, row = begin + local;
      const int row_end = row + kGroupRows < end ? row + kGroupRows : end;
      if (row < row_end) {
        float out[kDim / 2], over_sum[2];
        BALLAST_UNROLL
        for (int i = 0; i < kDim / 2; ++i) out[i] = 0;
        HopperSoftmax softmax{SeenByRows(row + row_in_group(), starts, seq)};
        const int from = uniform((starts[row] - first_key) / kKeys);
        const int to = (row_end - first_key + kKeys - 1) / kKeys;
        attend(out, softmax, block, local, first_key, from, to, tiles, policy, log2_factor(policy));
        const float largest = finish_rows(softmax, over_sum, lse, batch, head, seq, policy);
        store_top(tops, largest, batch, head, softmax.seen.least_last, seq);
        scale_halves(out, over_sum);
        store_group(o.row(int64_t{batch} * seq + row) + int64_t{head} * heads.dim, o.stride,
                    row_end - row, heads.dim, out, block.q, local, group);
      } else {
        for (int n = 0; n < tiles; ++n) block.pass(n);
      }
    }
  }
}

}  // namespace ballast::attn
