// Tiles of the attention kernels for sm_90a: loaded by TMA, read by wgmma. A tile has rows of kDim
// elements in blocks of 64 columns, 128 bytes a row, swizzled; a block of columns is whole before
// the next begins.
//
// A thread block is one producer warpgroup, of which one thread issues the loads, and consumer
// warpgroups of 64 rows each. Tiles stream through a ring: barrier `full` of a stage waits for the
// bytes of a load, `empty` for the consumers' warps. Loads fill with zeros what lies behind the end
// of a sequence or of a head, so no product meets unwritten memory. What attention_mma.cuh says of
// NaN in a tile holds here too.
#pragma once

#include "kernels/cuda/attention_heads.cuh"
#include "kernels/cuda/device_sm90.h"

namespace ballast::attn {

inline constexpr int kGroupRows = 64;  // of a wgmma
inline constexpr int kBlockCols = kSwizzleBytes / 2;
inline constexpr int kBoxRows = 64;
inline constexpr int kInner = 16;                                        // of a wgmma
inline constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;  // with two consumers

// A value that all lanes of a warp have, so that the compiler knows: it serialises wgmma behind a
// branch that might part the lanes.
__device__ __forceinline__ int uniform(int x) { return shuffle(x, 0); }

template <int kDim, int kRows>
struct HopperTile {
  static constexpr int kBytes = kRows * kDim * 2, kBlockBytes = kRows * kSwizzleBytes;
  static constexpr int kBlocks = kDim / kBlockCols;
  unsigned char* data;

  // By one thread, which has told `full` to expect kBytes. The rows from `row` of a head of the
  // map, see map_of_heads.
  __device__ __forceinline__ void load(const TensorMap& map, Barrier* full, int head, int row,
                                       int batch) const {
    static_assert(kRows % kBoxRows == 0);
    for (int block = 0; block < kBlocks; ++block) {
      for (int r = 0; r < kRows; r += kBoxRows) {
        tensor_load(data + block * kBlockBytes + r * kSwizzleBytes, map, full, block * kBlockCols,
                    head, row + r, batch);
      }
    }
  }
  // Columns [16 k, 16 k + 16) of the rows from `row`, a multiple of eight: 64 rows of A, or all of
  // B.
  __device__ __forceinline__ uint64_t by_rows(int k, int row = 0) const {
    const int block = k * kInner / kBlockCols, col = k * kInner % kBlockCols;
    return matrix_descriptor(
        shared_address(data) +
            static_cast<uint32_t>(block * kBlockBytes + row * kSwizzleBytes + col * 2),
        16);
  }
  // Rows [16 k, 16 k + 16) as the inner dimension of B, columns side by side.
  __device__ __forceinline__ uint64_t by_columns(int k) const {
    return matrix_descriptor(
        shared_address(data) + static_cast<uint32_t>(k * kInner * kSwizzleBytes), kBlockBytes);
  }
  // Element (row, col) for ordinary accesses; col a multiple of two.
  __device__ __forceinline__ bf16* at(int row, int col) const {
    const int chunk = (col % kBlockCols / 8) ^ (row % 8);
    return reinterpret_cast<bf16*>(data + col / kBlockCols * kBlockBytes + row * kSwizzleBytes +
                                   chunk * 16 + col % 8 * 2);
  }
};

// Barriers of a ring of kStages tiles.
template <int kStages>
struct Ring {
  Barrier* full;  // kStages, and as many `empty` behind them
  static constexpr int kBarriers = 2 * kStages;
  __device__ __forceinline__ Barrier* empty() const { return full + kStages; }
  __device__ __forceinline__ void init(int consumer_warps) const {
    for (int s = 0; s < kStages; ++s) {
      barrier_init(full + s, 1);
      barrier_init(empty() + s, consumer_warps);
    }
  }
  // The n-th tile of the block goes to stage n % kStages. The producer waits for the last readers,
  // consumers for the bytes, and each of their warps says when it has read them.
  __device__ __forceinline__ void wait_empty(int n) const {
    if (n >= kStages) barrier_wait(empty() + n % kStages, (n / kStages - 1) & 1);
  }
  // By the producer: the n-th tile, when its stage is free.
  template <int kDim, int kRows>
  __device__ __forceinline__ void load(int n, const HopperTile<kDim, kRows>& tile,
                                       const TensorMap& map, int head, int row, int batch) const {
    wait_empty(n);
    barrier_expect(full + n % kStages, tile.kBytes);
    tile.load(map, full + n % kStages, head, row, batch);
  }
  __device__ __forceinline__ void wait_full(int n) const {
    barrier_wait(full + n % kStages, (n / kStages) & 1);
  }
  __device__ __forceinline__ void release(int n) const {
    warp_sync();  // every lane has seen the stage full: two phases on it would look the same
    if (lane_of_warp() == 0) barrier_arrive(empty() + n % kStages);
  }
  // Of tiles that this warp has no use for.
  __device__ __forceinline__ void pass(int n) const {
    wait_full(n);
    release(n);
  }
};

// ---- A consumer's products ----

// s = a b^T: 64 rows of a from `row`, all kCols rows of b.
template <int kDim, int kRowsOfA, int kCols>
__device__ __forceinline__ void issue_transposed(float (&s)[kCols / 2],
                                                 const HopperTile<kDim, kRowsOfA>& a, int row,
                                                 const HopperTile<kDim, kCols>& b) {
  BALLAST_UNROLL
  for (int k = 0; k < kDim / kInner; ++k) wgmma_bf16(s, a.by_rows(k, row), b.by_rows(k), k > 0);
  wgmma_commit();
}
// d (+)= p b: p is 64 x kRows in registers.
template <int kDim, int kRows>
__device__ __forceinline__ void issue_product(float (&d)[kDim / 2],
                                              const uint32_t (&p)[kRows / kInner][4],
                                              const HopperTile<kDim, kRows>& b, bool add) {
  BALLAST_UNROLL
  for (int k = 0; k < kRows / kInner; ++k) wgmma_bf16(d, p[k], b.by_columns(k), add || k > 0);
  wgmma_commit();
}
// Sums rounded to bf16: they have the layout of A's registers.
template <int kSums>
__device__ __forceinline__ void pack_sums(uint32_t (&p)[kSums / 8][4], const float (&s)[kSums]) {
  BALLAST_UNROLL
  for (int k = 0; k < kSums / 8; ++k) {
    BALLAST_UNROLL
    for (int r = 0; r < 4; ++r) p[k][r] = pack_bf16(s[8 * k + 2 * r], s[8 * k + 2 * r + 1]);
  }
}

// ---- Where a consumer's elements stand ----

// `row`: the first of the thread's two rows of its warpgroup's 64; element i of the sums is in the
// first or the second (8 below) and in this column.
__device__ __forceinline__ int row_in_group() {
  return static_cast<int>(threadIdx.x) / kWarpSize % kGroupWarps * 16 + lane_of_warp() / 4;
}
__device__ __forceinline__ constexpr int half_of_sum(int i) { return i / 2 % 2; }
__device__ __forceinline__ int col_of_sum(int i) {
  return i / 4 * 8 + lane_of_warp() % 4 * 2 + i % 2;
}

// Which keys the two query rows of a thread see; `row` is the first of them, of the sequence.
struct SeenByRows {
  int last[2], first[2];
  int least_last, largest_first;  // of the warp's rows
  __device__ __forceinline__ SeenByRows(int row, const int32_t* starts, int seq) {
    least_last = row - lane_of_warp() / 4;
    const int warp_last = least_last + 15 < seq ? least_last + 15 : seq - 1;
    largest_first = least_last < seq ? starts[warp_last] : 0;
    BALLAST_UNROLL
    for (int h = 0; h < 2; ++h) {
      last[h] = row + 8 * h;
      first[h] = last[h] < seq ? starts[last[h]] : 0;
    }
  }
  // s, of the keys from `key`: `value` where one is not seen.
  template <int kSums>
  __device__ __forceinline__ void mask(float (&s)[kSums], int key, float value) const {
    if (key + 2 * kSums - 1 <= least_last && key >= largest_first) return;
    BALLAST_UNROLL
    for (int i = 0; i < kSums; ++i) {
      const int j = key + col_of_sum(i), h = half_of_sum(i);
      if (j < first[h] || j > last[h]) s[i] = value;
    }
  }
};

template <int kSums>
__device__ __forceinline__ void scale_sums(float (&sums)[kSums], float factor) {
  BALLAST_UNROLL
  for (int i = 0; i < kSums; ++i) sums[i] *= factor;
}

// Stores `count` rows and `dim` columns of a warp's 16 rows at `to`, by way of its rows of a tile
// (from `row` of it) that nobody reads any more.
template <int kDim, int kRows>
__device__ __forceinline__ void store_sums(bf16* to, int64_t stride, int count, int dim,
                                           const float (&sums)[kDim / 2],
                                           const HopperTile<kDim, kRows>& stage, int row) {
  const int own = row + lane_of_warp() / 4;
  BALLAST_UNROLL
  for (int i = 0; i < kDim / 2; i += 2) {
    *reinterpret_cast<uint32_t*>(stage.at(own + half_of_sum(i) * 8, col_of_sum(i))) =
        pack_bf16(sums[i], sums[i + 1]);
  }
  warp_sync();
  constexpr int kChunks = kDim / 8;
  for (int i = lane_of_warp(); i < 16 * kChunks; i += kWarpSize) {
    const int r = i / kChunks, col = i % kChunks * 8;
    if (r < count && col < dim)
      store_vec(to + r * stride + col, load_vec<8>(stage.at(row + r, col)));
  }
}

// Stores a warpgroup's sums at `to`, which has `count` rows; `stage`: a tile whose
// rows from `local` on only this warpgroup has read.
template <int kDim, int kRows>
__device__ __forceinline__ void store_group(bf16* to, int64_t stride, int count, int dim,
                                            const float (&sums)[kDim / 2],
                                            const HopperTile<kDim, kRows>& stage, int local,
                                            int group) {
  named_sync(group, kGroupThreads);  // all its warps have read
  const int warp = row_in_group() - lane_of_warp() / 4;
  if (warp < count)
    store_sums(to + warp * stride, stride, count - warp, dim, sums, stage, local + warp);
}

// ---- Host ----

// Rows of all heads of qkv, or of a tensor like o: dimensions are the column of a head, the head
// (queries, keys, values of qkv in turn), the row of a sequence, the sequence.
inline TensorMap map_of_heads(const Tensor& t, int64_t heads, const AttentionShape& s) {
  constexpr int64_t kBytes = 2;
  const int64_t stride = t.rows > 1 ? t.stride : t.cols;  // that of a single row means nothing
  return make_tensor_map({.data = t.data,
                          .size = {s.head_dim, heads, s.seq, s.batch},
                          .stride = {s.head_dim * kBytes, stride * kBytes, s.seq * stride * kBytes},
                          .box = {kBlockCols, 1, kBoxRows, 1}});
}

}  // namespace ballast::attn
