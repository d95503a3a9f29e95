// Attention without matrix instructions, for either type, any alignment and any policy: f32 as the
// reference on the device, rows and head sizes that the bf16 kernels do not take, and clipped
// probabilities. Tiles of 16 x 16 scores, so that heads of 256 take less than 99 KiB; eight
// neighbouring lanes share a row, so what a row needs from others stays within its warp. Sums go
// over visible keys only: a NaN reaches no query that does not see it. kernels/ref/attention.h and
// clipped_attention.h have the formulas.
#pragma once

#include "kernels/cuda/attention_heads.cuh"

namespace ballast::attn {

inline constexpr int kPlainTile = 16, kPlainThreads = 128, kLanesPerRow = 8;
inline constexpr int kScoresPerLane = kPlainTile / kLanesPerRow;

// What follows the softmax: nothing, or clipping (`stretch` is zeta - gamma).
template <bool kClipped>
struct Clip {
  float stretch, gamma;
  __device__ float value(float p) const {
    if constexpr (!kClipped) return p;
    const float c = stretch * p + gamma;
    return c <= 0 ? 0.0f : c >= 1 ? 1.0f : c;
  }
  __device__ float slope(float p) const {
    if constexpr (!kClipped) return 1.0f;
    const float c = stretch * p + gamma;
    return c > 0 && c < 1 ? stretch : 0.0f;
  }
};

// A tile of rows as floats in shared memory; an odd pitch keeps rows in different banks.
struct PlainTile {
  float* data;
  int pitch;
  __device__ float* row(int r) const { return data + r * pitch; }
  __host__ __device__ static int pitch_of(int64_t dim) { return static_cast<int>(dim) | 1; }
};

inline size_t plain_shared_bytes(int64_t dim, int tiles, int squares) {
  const int floats = tiles * PlainTile::pitch_of(dim) + squares * (kPlainTile + 1);
  return sizeof(float) * static_cast<size_t>(kPlainTile * floats);
}

// Gives out the dynamic shared memory of a block.
struct PlainMemory {
  float* next;
  int dim_pitch;
  __device__ explicit PlainMemory(int64_t dim)
      : next(dynamic_shared<float>()), dim_pitch(PlainTile::pitch_of(dim)) {}
  __device__ PlainTile take(int pitch) {
    float* const data = next;
    next += kPlainTile * pitch;
    return {data, pitch};
  }
  __device__ PlainTile tile() { return take(dim_pitch); }
  __device__ PlainTile square() { return take(kPlainTile + 1); }
};

// Rows [0, count) of `from`; zeros behind them.
template <class T>
__device__ __forceinline__ void load_plain(const PlainTile& to, const T* from, int64_t stride,
                                           int64_t count, int64_t dim) {
  for (int64_t i = threadIdx.x; i < kPlainTile * dim; i += kPlainThreads) {
    const int64_t r = i / dim, c = i % dim;
    to.row(static_cast<int>(r))[c] = r < count ? to_float(from[r * stride + c]) : 0.0f;
  }
}
__device__ __forceinline__ void clear_plain(const PlainTile& tile, int64_t dim) {
  for (int64_t i = threadIdx.x; i < kPlainTile * dim; i += kPlainThreads) {
    tile.row(static_cast<int>(i / dim))[i % dim] = 0;
  }
}

__device__ __forceinline__ float dot_plain(const float* a, const float* b, int64_t dim) {
  float sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += a[i] * b[i];
  return sum;
}

// Over the lanes of a row.
__device__ __forceinline__ float row_sum(float x) {
  for (int offset = 1; offset < kLanesPerRow; offset *= 2) x += shuffle_xor(x, offset);
  return x;
}
__device__ __forceinline__ float row_max(float x) {
  for (int offset = 1; offset < kLanesPerRow; offset *= 2) x = max_nan(x, shuffle_xor(x, offset));
  return x;
}

// This thread's row of a tile that begins at row `begin` of the sequence, and the keys it sees.
struct PlainRow {
  int local, lane;    // row of the tile, which of its lanes
  int64_t at, first;  // row of the sequence, its document's start
  bool inside;
  __device__ PlainRow(int64_t begin, int64_t seq, const int32_t* doc_start)
      : local(static_cast<int>(threadIdx.x) / kLanesPerRow),
        lane(static_cast<int>(threadIdx.x) % kLanesPerRow),
        at(begin + local),
        first(at < seq ? doc_start[at] : 0),
        inside(at < seq) {}
  __device__ bool sees(int64_t key) const { return inside && first <= key && key <= at; }
  // Of the keys [key_begin, key_begin + kPlainTile).
  __device__ int seen_begin(int64_t key_begin) const {
    return first > key_begin ? static_cast<int>(first - key_begin) : 0;
  }
  __device__ int seen_end(int64_t key_begin) const {
    if (!inside) return 0;
    const int64_t end = at + 1 - key_begin;
    return end < kPlainTile ? static_cast<int>(end) : kPlainTile;
  }
};

// exp(x - shift), where all may be -inf.
__device__ __forceinline__ float shifted_exp(float x, float shift) {
  return expf(x - (shift == -INFINITY ? 0.0f : shift));
}

// Two passes over the keys: the sum of a row, then its output. tops: null or see partial_top.
template <class T, bool kCap, bool kClipped>
__global__ void __launch_bounds__(kPlainThreads)
    plain_forward_kernel(DeviceMatrix<T> o, DeviceMatrix<float> lse, float* tops,
                         Heads<const T> heads, DeviceMatrix<const int32_t> doc_start,
                         Policy<kCap> policy, Clip<kClipped> clip) {
  BALLAST_SHARED(float, scratch, kPlainThreads / kWarpSize);
  PlainMemory memory(heads.dim);
  const PlainTile q = memory.tile(), k = memory.tile(), v = memory.tile(), sum_o = memory.tile();
  const PlainTile p = memory.square();
  const int64_t b = blockIdx.z, head = blockIdx.x, kv_head = head / heads.group, dim = heads.dim;
  const int64_t begin = int64_t{blockIdx.y} * kPlainTile;
  const int64_t end = begin + kPlainTile < heads.seq ? begin + kPlainTile : heads.seq;
  const PlainRow row(begin, heads.seq, doc_start.row(b));
  const int64_t key_begin = doc_start.row(b)[begin] / kPlainTile * kPlainTile;
  load_plain(q, heads.q(b, begin, head), heads.qkv.stride, end - begin, dim);
  clear_plain(sum_o, dim);

  float top = -INFINITY, sum = 0;
  for (int64_t key = key_begin; key < end; key += kPlainTile) {
    block_sync();
    load_plain(k, heads.k(b, key, kv_head), heads.qkv.stride, end - key, dim);
    block_sync();
    for (int i = 0; i < kScoresPerLane; ++i) {
      const int j = row.lane + i * kLanesPerRow;
      if (!row.sees(key + j)) continue;
      const float s = policy.score(dot_plain(q.row(row.local), k.row(j), dim));
      const float higher = max_nan(top, s);
      if (higher != top) sum *= shifted_exp(top, higher);
      top = higher;
      sum += shifted_exp(s, top);
    }
  }
  const float row_top = row_max(top);
  sum = row_sum(sum * shifted_exp(top, row_top));
  const float over_sum = 1.0f / sum;

  for (int64_t key = key_begin; key < end; key += kPlainTile) {
    block_sync();
    load_plain(k, heads.k(b, key, kv_head), heads.qkv.stride, end - key, dim);
    load_plain(v, heads.v(b, key, kv_head), heads.qkv.stride, end - key, dim);
    block_sync();
    for (int i = 0; i < kScoresPerLane; ++i) {
      const int j = row.lane + i * kLanesPerRow;
      if (!row.sees(key + j)) continue;
      const float s = policy.score(dot_plain(q.row(row.local), k.row(j), dim));
      p.row(row.local)[j] = clip.value(shifted_exp(s, row_top) * over_sum);
    }
    warp_sync();
    for (int64_t c = row.lane; c < dim; c += kLanesPerRow) {
      float value = sum_o.row(row.local)[c];
      for (int j = row.seen_begin(key); j < row.seen_end(key); ++j) {
        value += p.row(row.local)[j] * v.row(j)[c];
      }
      sum_o.row(row.local)[c] = value;
    }
  }
  if (row.inside) {
    T* const out = o.row(b * heads.seq + row.at) + head * dim;
    for (int64_t c = row.lane; c < dim; c += kLanesPerRow)
      out[c] = from_float<T>(sum_o.row(row.local)[c]);
    if (row.lane == 0) lse.row(b * heads.seq + row.at)[head] = row_top + logf(sum);
  }
  if (tops == nullptr) return;  // the whole block
  const float block_top = block_max_nan<kPlainThreads>(row.inside ? row_top : -INFINITY, scratch);
  if (threadIdx.x == 0) *partial_top(tops) = block_top;
}

// ---- Host ----

inline constexpr int64_t kMaxHeadDim = 256;  // by shared memory

template <class T, bool kClipped>
void plain_forward(const Stream& stream, const Tensor& o, const Tensor& lse, float* tops,
                   const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                   const ScorePolicy& policy, const Clip<kClipped>& clip) {
  BALLAST_CHECK(shape.head_dim <= kMaxHeadDim);
  with_policy(policy, [&]<bool kCap>(const Policy<kCap>& scores) {
    launch(stream, "attention", plain_forward_kernel<T, kCap, kClipped>,
           tiles_of(shape, shape.heads, kPlainTile, kPlainThreads,
                    plain_shared_bytes(shape.head_dim, 4, 1)),
           device_matrix<T>(o), device_matrix<float>(lse), tops, heads_of<const T>(qkv, shape),
           device_matrix<const int32_t>(doc_start), scores, clip);
  });
}

}  // namespace ballast::attn
