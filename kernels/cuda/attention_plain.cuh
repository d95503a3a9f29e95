// Attention without matrix instructions, for either type, any alignment and any policy: f32 as the
// reference on the device, rows and head sizes that the bf16 kernels do not take, and clipped
// probabilities. Tiles of 16 x 16 scores, so that heads of 256 take less than 99 KiB; eight
// neighbouring lanes share a row, so what a row needs from others stays within its warp. Sums go
// over visible keys only: a NaN reaches no query that does not see it. kernels/ref/attention.h and
// clipped_attention.h have the formulas.
#pragma once

#include "kernels/cuda/attention_common.cuh"

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

// What one score is to the backward pass, with dot = q.k and dp = dout.v.
struct PlainGradient {
  float p, c, dp, slope;  // probability, what multiplies v, gradient of p, derivative of the score
};
template <bool kCap, bool kClipped>
__device__ __forceinline__ PlainGradient plain_gradient(float dot, float dp, float lse,
                                                        const Policy<kCap>& policy,
                                                        const Clip<kClipped>& clip) {
  const float s = policy.score(dot), p = expf(s - lse);
  return {p, clip.value(p), clip.slope(p) * dp, policy.slope(s)};
}

// delta = sum p dp of each row, where o does not give it.
template <class T, bool kCap, bool kClipped>
__global__ void __launch_bounds__(kPlainThreads)
    plain_delta_kernel(RowStats* stats, int64_t stats_rows, DeviceMatrix<const T> dout,
                       DeviceMatrix<const float> lse, Heads<const T> heads,
                       DeviceMatrix<const int32_t> doc_start, Policy<kCap> policy,
                       Clip<kClipped> clip) {
  PlainMemory memory(heads.dim);
  const PlainTile q = memory.tile(), k = memory.tile(), v = memory.tile(), g = memory.tile();
  const int64_t b = blockIdx.z, head = blockIdx.x, kv_head = head / heads.group, dim = heads.dim;
  const int64_t begin = int64_t{blockIdx.y} * kPlainTile;
  const int64_t end = begin + kPlainTile < heads.seq ? begin + kPlainTile : heads.seq;
  const PlainRow row(begin, heads.seq, doc_start.row(b));
  const float row_lse = row.inside ? lse.row(b * heads.seq + row.at)[head] : INFINITY;
  load_plain(q, heads.q(b, begin, head), heads.qkv.stride, end - begin, dim);
  load_plain(g, dout.row(b * heads.seq + begin) + head * dim, dout.stride, end - begin, dim);
  float delta = 0;
  for (int64_t key = doc_start.row(b)[begin] / kPlainTile * kPlainTile; key < end;
       key += kPlainTile) {
    block_sync();
    load_plain(k, heads.k(b, key, kv_head), heads.qkv.stride, end - key, dim);
    load_plain(v, heads.v(b, key, kv_head), heads.qkv.stride, end - key, dim);
    block_sync();
    for (int i = 0; i < kScoresPerLane; ++i) {
      const int j = row.lane + i * kLanesPerRow;
      if (!row.sees(key + j)) continue;
      const PlainGradient at =
          plain_gradient(dot_plain(q.row(row.local), k.row(j), dim),
                         dot_plain(g.row(row.local), v.row(j), dim), row_lse, policy, clip);
      delta += at.p * at.dp;
    }
  }
  delta = row_sum(delta);
  if (row.lane == 0) stats[(b * heads.heads + head) * stats_rows + row.at] = {row_lse, delta};
}

template <class T, bool kCap, bool kClipped>
__global__ void __launch_bounds__(kPlainThreads)
    plain_dq_kernel(Heads<T> dheads, DeviceMatrix<const T> dout, const RowStats* stats,
                    int64_t stats_rows, Heads<const T> heads, DeviceMatrix<const int32_t> doc_start,
                    Policy<kCap> policy, Clip<kClipped> clip) {
  PlainMemory memory(heads.dim);
  const PlainTile q = memory.tile(), k = memory.tile(), v = memory.tile(), g = memory.tile();
  const PlainTile dq = memory.tile(), ds = memory.square();
  const int64_t b = blockIdx.z, head = blockIdx.x, kv_head = head / heads.group, dim = heads.dim;
  const int64_t begin = int64_t{blockIdx.y} * kPlainTile;
  const int64_t end = begin + kPlainTile < heads.seq ? begin + kPlainTile : heads.seq;
  const PlainRow row(begin, heads.seq, doc_start.row(b));
  const RowStats stat = stats[(b * heads.heads + head) * stats_rows + row.at];
  load_plain(q, heads.q(b, begin, head), heads.qkv.stride, end - begin, dim);
  load_plain(g, dout.row(b * heads.seq + begin) + head * dim, dout.stride, end - begin, dim);
  clear_plain(dq, dim);
  for (int64_t key = doc_start.row(b)[begin] / kPlainTile * kPlainTile; key < end;
       key += kPlainTile) {
    block_sync();
    load_plain(k, heads.k(b, key, kv_head), heads.qkv.stride, end - key, dim);
    load_plain(v, heads.v(b, key, kv_head), heads.qkv.stride, end - key, dim);
    block_sync();
    for (int i = 0; i < kScoresPerLane; ++i) {
      const int j = row.lane + i * kLanesPerRow;
      if (!row.sees(key + j)) continue;
      const PlainGradient at =
          plain_gradient(dot_plain(q.row(row.local), k.row(j), dim),
                         dot_plain(g.row(row.local), v.row(j), dim), stat.lse, policy, clip);
      ds.row(row.local)[j] = at.p * (at.dp - stat.delta) * at.slope;
    }
    warp_sync();
    for (int64_t c = row.lane; c < dim; c += kLanesPerRow) {
      float value = dq.row(row.local)[c];
      for (int j = row.seen_begin(key); j < row.seen_end(key); ++j) {
        value += ds.row(row.local)[j] * k.row(j)[c];
      }
      dq.row(row.local)[c] = value;
    }
  }
  if (!row.inside) return;
  T* const out = dheads.q(b, row.at, head);
  for (int64_t c = row.lane; c < dim; c += kLanesPerRow)
    out[c] = from_float<T>(policy.scale * dq.row(row.local)[c]);
}

// One tile of keys of one key-value head (blockIdx.x): over the query heads that share it and the
// tiles of queries that see it.
template <class T, bool kCap, bool kClipped>
__global__ void __launch_bounds__(kPlainThreads)
    plain_dkv_kernel(Heads<T> dheads, DeviceMatrix<const T> dout, const RowStats* stats,
                     int64_t stats_rows, Heads<const T> heads,
                     DeviceMatrix<const int32_t> doc_start, Policy<kCap> policy,
                     Clip<kClipped> clip) {
  PlainMemory memory(heads.dim);
  const PlainTile q = memory.tile(), k = memory.tile(), v = memory.tile(), g = memory.tile();
  const PlainTile dk = memory.tile(), dv = memory.tile();
  const PlainTile probabilities = memory.square(), ds = memory.square();
  const int64_t b = blockIdx.z, kv_head = blockIdx.x, dim = heads.dim, seq = heads.seq;
  const int64_t begin = int64_t{blockIdx.y} * kPlainTile;
  const int64_t end = begin + kPlainTile < seq ? begin + kPlainTile : seq;
  const int32_t* const starts = doc_start.row(b);
  const int local = static_cast<int>(threadIdx.x) / kLanesPerRow;
  const int lane = static_cast<int>(threadIdx.x) % kLanesPerRow;
  const int64_t key = begin + local;
  load_plain(k, heads.k(b, begin, kv_head), heads.qkv.stride, end - begin, dim);
  load_plain(v, heads.v(b, begin, kv_head), heads.qkv.stride, end - begin, dim);
  clear_plain(dk, dim);
  clear_plain(dv, dim);
  for (int64_t head = kv_head * heads.group; head < (kv_head + 1) * heads.group; ++head) {
    const RowStats* const row_stats = stats + (b * heads.heads + head) * stats_rows;
    for (int64_t first = begin; first < seq && starts[first] < end; first += kPlainTile) {
      block_sync();
      load_plain(q, heads.q(b, first, head), heads.qkv.stride, seq - first, dim);
      load_plain(g, dout.row(b * seq + first) + head * dim, dout.stride, seq - first, dim);
      block_sync();
      const auto seen = [&](int i) {
        const int64_t t = first + i;
        return key <= t && t < seq && starts[t] <= key;
      };
      for (int n = 0; n < kScoresPerLane; ++n) {
        const int i = lane + n * kLanesPerRow;
        if (!seen(i)) continue;
        const RowStats stat = row_stats[first + i];
        const PlainGradient at =
            plain_gradient(dot_plain(q.row(i), k.row(local), dim),
                           dot_plain(g.row(i), v.row(local), dim), stat.lse, policy, clip);
        probabilities.row(local)[i] = at.c;
        ds.row(local)[i] = at.p * (at.dp - stat.delta) * at.slope;
      }
      warp_sync();
      for (int64_t c = lane; c < dim; c += kLanesPerRow) {
        float key_sum = dk.row(local)[c], value_sum = dv.row(local)[c];
        for (int i = 0; i < kPlainTile; ++i) {
          if (!seen(i)) continue;
          key_sum += ds.row(local)[i] * q.row(i)[c];
          value_sum += probabilities.row(local)[i] * g.row(i)[c];
        }
        dk.row(local)[c] = key_sum;
        dv.row(local)[c] = value_sum;
      }
    }
  }
  if (key >= seq) return;
  for (int64_t c = lane; c < dim; c += kLanesPerRow) {
    dheads.k(b, key, kv_head)[c] = from_float<T>(policy.scale * dk.row(local)[c]);
    dheads.v(b, key, kv_head)[c] = from_float<T>(dv.row(local)[c]);
  }
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

template <class T, bool kClipped>
void plain_delta(const Stream& stream, RowStats* stats, const Tensor& dout, const Tensor& lse,
                 const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                 const ScorePolicy& policy, const Clip<kClipped>& clip) {
  with_policy(policy, [&]<bool kCap>(const Policy<kCap>& scores) {
    launch(stream, "attention_bwd delta", plain_delta_kernel<T, kCap, kClipped>,
           tiles_of(shape, shape.heads, kPlainTile, kPlainThreads,
                    plain_shared_bytes(shape.head_dim, 4, 0)),
           stats, padded_rows(shape.seq), device_matrix<const T>(dout),
           device_matrix<const float>(lse), heads_of<const T>(qkv, shape),
           device_matrix<const int32_t>(doc_start), scores, clip);
  });
}

template <class T, bool kClipped>
void plain_backward(const Stream& stream, const Tensor& dqkv, const Tensor& dout,
                    const RowStats* stats, const Tensor& qkv, const Tensor& doc_start,
                    const AttentionShape& shape, const ScorePolicy& policy,
                    const Clip<kClipped>& clip) {
  BALLAST_CHECK(shape.head_dim <= kMaxHeadDim);
  with_policy(policy, [&]<bool kCap>(const Policy<kCap>& scores) {
    const auto run = [&](const char* name, auto kernel, int64_t heads, int tiles, int squares) {
      launch(stream, name, kernel,
             tiles_of(shape, heads, kPlainTile, kPlainThreads,
                      plain_shared_bytes(shape.head_dim, tiles, squares)),
             heads_of<T>(dqkv, shape), device_matrix<const T>(dout), stats, padded_rows(shape.seq),
             heads_of<const T>(qkv, shape), device_matrix<const int32_t>(doc_start), scores, clip);
    };
    run("attention_bwd dq", plain_dq_kernel<T, kCap, kClipped>, shape.heads, 5, 1);
    run("attention_bwd dkv", plain_dkv_kernel<T, kCap, kClipped>, shape.kv_heads, 6, 2);
  });
}

}  // namespace ballast::attn
