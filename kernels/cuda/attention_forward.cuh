// Forward attention in bf16 after FlashAttention-2 (Dao 2023): a block has a tile of queries, keys
// and values stream through shared memory, the softmax is online in base 2, o is divided by the sum
// at the end.
#pragma once

#include "kernels/cuda/attention_mma.cuh"

namespace ballast::attn {

inline constexpr int kForwardRowTiles = 2;
inline constexpr int kForwardRows = OwnRows<kForwardRowTiles>::kRows;  // of a block

// 48 keys keep a block of heads of 128 below the 99 KiB of sm_86 and sm_89.
template <int kDim>
inline constexpr int kForwardKeys = kDim <= 64 ? 64 : 48;

// The running softmax of a warp's rows: largest product so far (score, with a cap) and this lane's
// part of the sum of exponentials.
template <int kRowTiles>
struct Softmax {
  float top[kRowTiles][2], sum[kRowTiles][2];

  __device__ __forceinline__ void clear() {
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      top[m][0] = top[m][1] = -INFINITY;
      sum[m][0] = sum[m][1] = 0;
    }
  }

  // s becomes exp(score - top); what was summed before has to be scaled by `rescale`. Whether any
  // factor of the warp is not 1.
  template <int kColTiles>
  __device__ __forceinline__ bool add(Sums<kRowTiles, kColTiles>& s, float (&rescale)[kRowTiles][2],
                                      float factor) {
    bool changed = false;
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int h = 0; h < 2; ++h) {
        float higher = top[m][h];
        BALLAST_UNROLL
        for (int n = 0; n < kColTiles; ++n) {
          higher = max_nan(higher, max_nan(s.at[m][n][2 * h], s.at[m][n][2 * h + 1]));
        }
        higher = max_nan(higher, shuffle_xor(higher, 1));
        higher = max_nan(higher, shuffle_xor(higher, 2));
        // A row that has seen no key yet: all its exponentials are 0.
        const float shift = higher == -INFINITY ? 0.0f : higher * factor;
        rescale[m][h] = exp2_approx(top[m][h] * factor - shift);
        float added = 0;
        BALLAST_UNROLL
        for (int n = 0; n < kColTiles; ++n) {
          BALLAST_UNROLL
          for (int i = 2 * h; i < 2 * h + 2; ++i) {
            s.at[m][n][i] = exp2_approx(s.at[m][n][i] * factor - shift);
            added += s.at[m][n][i];
          }
        }
        top[m][h] = higher;
        sum[m][h] = sum[m][h] * rescale[m][h] + added;
        changed |= rescale[m][h] != 1.0f;
      }
    }
    return any_lane(changed);
  }
};

template <int kDim, bool kCap>
__global__ void __launch_bounds__(kMmaThreads, 2)
    forward_kernel(DeviceMatrix<bf16> o, DeviceMatrix<float> lse, float* tops,
                   Heads<const bf16> heads, DeviceMatrix<const int32_t> doc_start,
                   Policy<kCap> policy) {
  constexpr int kRowTiles = kForwardRowTiles, kKeys = kForwardKeys<kDim>;
  BALLAST_SHARED(float, scratch, kMmaWarps);
  bf16* const memory = dynamic_shared<bf16>();
  const SharedTile<kDim> q{memory};
  const Stages<kDim, kKeys> stages{memory + tile_elements<kDim>(kForwardRows)};
  const int head = static_cast<int>(blockIdx.x), kv_head = head / heads.group, seq = heads.seq;
  const int64_t b = blockIdx.z, stride = heads.qkv.stride;
  const OwnRows<kRowTiles> rows(gridDim.y - 1 - blockIdx.y, seq);  // those with most keys first
  const int32_t* const starts = doc_start.row(b);
  const SeenKeys<kRowTiles, kKeys> seen(rows, starts, seq);

  const auto load_keys = [&](int stage, int key) {
    load_tile<kKeys>(stages.first(stage), heads.k(b, key, kv_head), stride, seq - key, heads.dim);
    load_tile<kKeys>(stages.second(stage), heads.v(b, key, kv_head), stride, seq - key, heads.dim);
    commit_copies();
  };
  const int first_key = starts[rows.begin] / kKeys * kKeys;
  load_tile<kForwardRows>(q, heads.q(b, rows.begin, head), stride, rows.end - rows.begin,
                          heads.dim);
  load_keys(0, first_key);

  const float factor = log2_factor(policy);
  Sums<kRowTiles, kDim / 8> out;
  out.clear();
  Softmax<kRowTiles> softmax;
  softmax.clear();
  int stage = 0;
  for (int key = first_key; key < rows.end; key += kKeys, stage ^= 1) {
    wait_copies<0>();
    block_sync();  // this stage is there, and nobody reads the other one any more
    if (key + kKeys < rows.end) load_keys(stage ^ 1, key + kKeys);
    if (seen.none(key)) continue;  // the whole warp

    Sums<kRowTiles, kKeys / 8> s;
    multiply_transposed(s, q, rows.local, stages.first(stage));
    if constexpr (kCap) s.each([&](float& x) { x = policy.score(x); });
    if (!seen.all(key)) seen.mask(s, key, -INFINITY);
    float rescale[kRowTiles][2];
    if (softmax.add(s, rescale, factor)) out.scale_rows(rescale);
    multiply_add(out, s, stages.second(stage));
  }

  float largest = -INFINITY, over_sum[kRowTiles][2];
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    BALLAST_UNROLL
    for (int h = 0; h < 2; ++h) {
      float sum = softmax.sum[m][h];
      sum += shuffle_xor(sum, 1);
      sum += shuffle_xor(sum, 2);
      over_sum[m][h] = 1.0f / sum;
      const int t = rows.warp_begin + row_of_half(m, h);
      if (t >= seq) continue;
      const float top = kCap ? softmax.top[m][h] : policy.scale * softmax.top[m][h];
      largest = max_nan(largest, top);
      if (lane_of_warp() % 4 == 0) lse.row(b * seq + t)[head] = top + logf(sum);
    }
  }
  out.scale_rows(over_sum);
  store_rows(o.row(b * seq + rows.warp_begin) + head * heads.dim, o.stride, rows.warp_rows(),
             heads.dim, out, q, rows.local);
  if (tops == nullptr) return;  // the whole block
  largest = block_max_nan<kMmaThreads>(largest, scratch);
  if (threadIdx.x == 0) *partial_top(tops) = largest;
}

// ---- Host ----

inline void mma_forward(const Stream& stream, const Tensor& o, const Tensor& lse, float* tops,
                        const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                        const ScorePolicy& policy) {
  with_policy(policy, [&]<bool kCap>(const Policy<kCap>& scores) {
    with_dim(shape.head_dim, [&](auto dim) {
      constexpr int kElements =
          tile_elements<dim()>(kForwardRows) + Stages<dim(), kForwardKeys<dim()>>::kElements;
      launch(stream, "attention", forward_kernel<dim(), kCap>,
             tiles_of(shape, shape.heads, kForwardRows, kMmaThreads, kElements * sizeof(bf16)),
             device_matrix<bf16>(o), device_matrix<float>(lse), tops,
             heads_of<const bf16>(qkv, shape), device_matrix<const int32_t>(doc_start), scores);
    });
  });
}

}  // namespace ballast::attn
