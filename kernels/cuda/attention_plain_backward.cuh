// The backward pass of the plain kernels: a tile of queries for dQ, a tile of keys for dK and dV,
// and delta where probabilities are clipped.
#pragma once

#include "kernels/cuda/attention_plain.cuh"

namespace ballast::attn {

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
