// Forward attention in bf16 after FlashAttention-2 (Dao 2023): a block has a tile of queries, keys
// and values stream through shared memory, the softmax is online in base 2, o is divided by the sum
// at the end.
#pragma once

#include "kernels/cuda/attention_mma.cuh"

namespace ballast::attn {

inline constexpr int kForwardRows = 128;  // of a block

template <int kDim>
struct ForwardTiles {
  static constexpr int kRows = kForwardRows, kRowTiles = kRows / (kFragment * kMmaWarps);
  static constexpr int kKeys = 64;
  static constexpr size_t kSharedBytes =
      sizeof(bf16) * static_cast<size_t>(tile_elements<kDim>(kRows + 4 * kKeys));
};

// The running softmax of a warp's rows: largest product so far (score, with a cap) and this lane's
// part of the sum of exponentials.
template <int kRowTiles>
struct Softmax {
  float top[kRowTiles][2], sum[kRowTiles][2];

  // s becomes exp(score - top); what was summed before has to be scaled by `rescale`.
  template <int kColTiles>
  __device__ __forceinline__ void add(Sums<kRowTiles, kColTiles>& s, float (&rescale)[kRowTiles][2],
                                      float factor) {
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
      }
    }
  }
};

template <int kDim, bool kCap>
__global__ void __launch_bounds__(kMmaThreads, 2)
    forward_kernel(DeviceMatrix<bf16> o, DeviceMatrix<float> lse, float* tops,
                   Heads<const bf16> heads, DeviceMatrix<const int32_t> doc_start,
                   Policy<kCap> policy) {
  using Tiles = ForwardTiles<kDim>;
  constexpr int kRowTiles = Tiles::kRowTiles, kRows = Tiles::kRows, kKeys = Tiles::kKeys;
  constexpr int kWarpRows = kRowTiles * kFragment;
  BALLAST_SHARED(float, scratch, kMmaWarps);
  bf16* const memory = dynamic_shared<bf16>();
  const SharedTile<kDim> q{memory};
  const auto stage_k = [&](int stage) {
    return SharedTile<kDim>{memory + tile_elements<kDim>(kRows + stage * 2 * kKeys)};
  };
  const auto stage_v = [&](int stage) {
    return SharedTile<kDim>{memory + tile_elements<kDim>(kRows + (stage * 2 + 1) * kKeys)};
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
  load_keys(0, first_key);

  const float factor = log2_factor(policy);
  Sums<kRowTiles, kDim / 8> out;
  out.clear();
  Softmax<kRowTiles> softmax;
  int64_t row_start[kRowTiles][2];
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    BALLAST_UNROLL
    for (int h = 0; h < 2; ++h) {
      softmax.top[m][h] = -INFINITY;
      softmax.sum[m][h] = 0;
      const int64_t t = warp_begin + row_of_half(m, h);
      row_start[m][h] = t < seq ? starts[t] : 0;
    }
  }

  int stage = 0;
  for (int64_t key = first_key; key < end; key += kKeys, stage ^= 1) {
    wait_copies<0>();
    block_sync();  // this stage is there, and nobody reads the other one any more
    if (key + kKeys < end) load_keys(stage ^ 1, key + kKeys);
    if (key >= warp_end || key + kKeys <= smallest_start || !any_rows) continue;  // of the warp

    Sums<kRowTiles, kKeys / 8> s;
    multiply_transposed(s, q, local, stage_k(stage));
    const bool masked = key + kKeys - 1 > warp_begin || key < largest_start;
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int n = 0; n < kKeys / 8; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 4; ++i) {
          float& x = s.at[m][n][i];
          if constexpr (kCap) x = policy.score(x);
          if (!masked) continue;
          const int64_t j = key + col_of(n, i), t = warp_begin + row_of_half(m, i / 2);
          if (j > t || j < row_start[m][i / 2]) x = -INFINITY;
        }
      }
    }
    float rescale[kRowTiles][2];
    softmax.add(s, rescale, factor);
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int n = 0; n < kDim / 8; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 4; ++i) out.at[m][n][i] *= rescale[m][i / 2];
      }
    }
    multiply_add(out, s, stage_v(stage));
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
      const int64_t t = warp_begin + row_of_half(m, h);
      if (t >= seq) continue;
      const float top = kCap ? softmax.top[m][h] : policy.scale * softmax.top[m][h];
      largest = max_nan(largest, top);
      if (lane_of_warp() % 4 == 0) lse.row(b * seq + t)[head] = top + logf(sum);
    }
  }
  store_rows(o.row(b * seq + warp_begin) + head * heads.dim, o.stride, warp_end - warp_begin,
             heads.dim, out, over_sum, q, local);
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
      using Tiles = ForwardTiles<dim()>;
      launch(stream, "attention", forward_kernel<dim(), kCap>,
             tiles_of(shape, shape.heads, Tiles::kRows, kMmaThreads, Tiles::kSharedBytes),
             device_matrix<bf16>(o), device_matrix<float>(lse), tops,
             heads_of<const bf16>(qkv, shape), device_matrix<const int32_t>(doc_start), scores);
    });
  });
}

}  // namespace ballast::attn
