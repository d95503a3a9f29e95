// What the attention kernels share: where a head's rows stand, the score policy, rows' statistics
// for the backward pass, and how blocks divide the work.
//
// A block has one tile of queries (or keys) of one head of one sequence: blockIdx.x is the head, y
// the tile, z the sequence. Attention is causal and block-diagonal, so doc_start never falls within
// a sequence: the first row of a tile has its smallest document start, the last row the largest.
#pragma once

#include <numbers>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"

namespace ballast::attn {

inline constexpr float kLog2e = std::numbers::log2e_v<float>;

// q, k, v and the documents; of dqkv the same places. Methods: row t of sequence b.
template <class T>
struct Heads {
  DeviceMatrix<T> qkv;
  int seq, heads, group, dim;  // positions in a sequence are 32 bits, as doc_start
  int64_t k_col, v_col;
  __device__ T* q(int64_t b, int64_t t, int64_t head) const {
    return qkv.row(b * seq + t) + head * dim;
  }
  __device__ T* k(int64_t b, int64_t t, int64_t kv_head) const {
    return qkv.row(b * seq + t) + k_col + kv_head * dim;
  }
  __device__ T* v(int64_t b, int64_t t, int64_t kv_head) const {
    return qkv.row(b * seq + t) + v_col + kv_head * dim;
  }
};

template <class T>
Heads<T> heads_of(const Tensor& qkv, const AttentionShape& s) {
  const auto narrow = [](int64_t x) { return static_cast<int>(x); };
  return {device_matrix<T>(qkv),        narrow(s.seq),      narrow(s.heads),
          narrow(s.heads / s.kv_heads), narrow(s.head_dim), s.q_cols(),
          s.q_cols() + s.kv_cols()};
}

// From q.k to the score, and the derivative of that without the factor `scale`.
template <bool kCap>
struct Policy {
  float scale, cap, over_cap;
  __device__ float score(float dot) const {
    return kCap ? cap * tanhf(scale * dot * over_cap) : scale * dot;
  }
  __device__ float slope(float score) const {
    if constexpr (!kCap) return 1.0f;
    const float ratio = score * over_cap;
    return 1.0f - ratio * ratio;
  }
};

// function(Policy<kCap>).
template <class Function>
void with_policy(const ScorePolicy& p, const Function& function) {
  if (p.cap > 0) {
    function(Policy<true>{p.scale, p.cap, 1 / p.cap});
  } else {
    function(Policy<false>{p.scale, 0, 0});
  }
}

// Of one query row of one head, for the backward pass. A row behind the end of its sequence has
// lse = inf, so that its probabilities are 0.
struct alignas(8) RowStats {
  float lse, delta;
};
// Rows of a sequence in an array of RowStats: whole tiles, whichever their size.
inline constexpr int64_t kRowsPadding = 64;
inline int64_t padded_rows(int64_t seq) {
  return (seq + kRowsPadding - 1) / kRowsPadding * kRowsPadding;
}

// Over a block of kThreads threads, NaN if any x is; `scratch`: kThreads / 32 elements.
template <int kThreads>
__device__ __forceinline__ float block_max_nan(float x, float* scratch) {
  constexpr int kWarps = kThreads / kWarpSize;
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) x = max_nan(x, shuffle_xor(x, offset));
  block_sync();
  if (lane_of_warp() == 0) scratch[threadIdx.x / kWarpSize] = x;
  block_sync();
  float top = scratch[0];
  for (int w = 1; w < kWarps; ++w) top = max_nan(top, scratch[w]);
  return top;
}

// Where a block writes its largest score for max_logit: a row of `partials` for each head.
__device__ __forceinline__ float* partial_top(float* partials) {
  const int64_t tiles = int64_t{gridDim.y} * gridDim.z;
  return partials + blockIdx.x * tiles + int64_t{blockIdx.z} * gridDim.y + blockIdx.y;
}

inline constexpr int kReduceThreads = 128;

// One block a head.
template <class Float>
__global__ void __launch_bounds__(kReduceThreads)
    max_logit_kernel(Float* max_logit, const Float* partials, int64_t count) {
  BALLAST_SHARED(float, scratch, kReduceThreads / kWarpSize);
  float top = -INFINITY;
  for (int64_t i = threadIdx.x; i < count; i += kReduceThreads)
    top = max_nan(top, partials[blockIdx.x * count + i]);
  top = block_max_nan<kReduceThreads>(top, scratch);
  if (threadIdx.x == 0) max_logit[blockIdx.x] = top;
}

// ---- Host ----

inline void check_shapes(const Tensor& o, const Tensor& lse, const Tensor& qkv,
                         const Tensor& doc_start, const AttentionShape& s) {
  BALLAST_CHECK(s.heads % s.kv_heads == 0 && qkv.cols == s.qkv_cols());
  BALLAST_CHECK(qkv.cols < int64_t{1} << 31 && s.seq < int64_t{1} << 30);
  BALLAST_CHECK(qkv.rows == s.batch * s.seq && o.rows == qkv.rows && lse.rows == qkv.rows);
  BALLAST_CHECK(o.cols == s.q_cols() && lse.cols == s.heads && o.dtype == qkv.dtype);
  BALLAST_CHECK(doc_start.rows == s.batch && doc_start.cols == s.seq);
}

// Blocks for `heads` heads of every sequence in tiles of `tile` rows.
inline LaunchShape tiles_of(const AttentionShape& s, int64_t heads, int64_t tile, unsigned threads,
                            size_t shared_bytes) {
  constexpr int64_t kMaxBlocks = 65535;  // in y and z
  const int64_t tiles = blocks_for(s.seq, tile);
  BALLAST_CHECK(tiles <= kMaxBlocks && s.batch <= kMaxBlocks);
  return {.x = heads,
          .threads = threads,
          .shared_bytes = shared_bytes,
          .y = static_cast<unsigned>(tiles),
          .z = static_cast<unsigned>(s.batch)};
}

// max_logit of the partial tops that a launch of the forward pass left.
inline void reduce_tops(const Stream& stream, const Tensor& max_logit, const float* tops,
                        const AttentionShape& s, int64_t tile) {
  BALLAST_CHECK(max_logit.cols == s.heads);
  launch(stream, "max_logit", max_logit_kernel<float>, {.x = s.heads, .threads = kReduceThreads},
         max_logit.as<float>(), tops, blocks_for(s.seq, tile) * s.batch);
}

}  // namespace ballast::attn
