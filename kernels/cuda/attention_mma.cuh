// What the bf16 attention kernels are made of: tiles in shared memory, filled by asynchronous
// copies, and products of such tiles by matrix instructions.
//
// A block of four warps owns a tile of 64 kRowTiles rows (queries, or keys in the kernel of dK and
// dV); each warp has 16 kRowTiles of them, in kRowTiles fragments, so that a fragment of the
// streamed side is loaded once for all of them. The other side streams through two stages. In
// products over masked places P and dS are exact zeros; a zero times a NaN is NaN, so a NaN in V
// (forward), K, Q or dout (backward) reaches the rows of its tile, at most 127 rows from itself. A
// NaN score stays where it is seen.
#pragma once

#include "kernels/cuda/attention_common.cuh"

namespace ballast::attn {

inline constexpr int kMmaWarps = 4, kMmaThreads = kMmaWarps * kWarpSize;
inline constexpr int kFragment = 16;  // rows of an A fragment
inline constexpr int kChunk = 8;      // elements of one 16-byte access

// Rows of kDim elements; the 16-byte chunks of a row are swapped by the row's last three bits, so
// that the eight rows of an 8 x 8 tile lie in different banks.
template <int kDim>
struct SharedTile {
  bf16* data;
  __device__ __forceinline__ bf16* chunk(int row, int c) const {
    return data + row * kDim + ((c ^ (row & 7)) * kChunk);
  }
};

template <int kDim>
__host__ __device__ constexpr int tile_elements(int rows) {
  return rows * kDim;
}

// Starts the copy of kRows rows at `from`: zeros behind the first `count` and behind column `dim`.
template <int kRows, int kDim>
__device__ __forceinline__ void load_tile(const SharedTile<kDim>& to, const bf16* from,
                                          int64_t stride, int64_t count, int64_t dim) {
  constexpr int kChunks = kDim / kChunk;
  BALLAST_UNROLL
  for (int n = 0; n < kRows * kChunks / kMmaThreads; ++n) {
    const int i = n * kMmaThreads + static_cast<int>(threadIdx.x), row = i / kChunks,
              c = i % kChunks;
    const bool there = row < count && c * kChunk < dim;
    copy_async(to.chunk(row, c), there ? from + row * stride + c * kChunk : from, there);
  }
}

// ---- Fragments ----

// Rows [row, row + 16), columns [16 k, 16 k + 16).
template <int kDim>
__device__ __forceinline__ MmaA row_fragment(const SharedTile<kDim>& tile, int row, int k) {
  const int lane = lane_of_warp();
  MmaA a;
  load_matrices<false>(a.r, tile.chunk(row + lane % 16, 2 * k + lane / 16));
  return a;
}
// The same rows and columns as two 16 x 8 factors of the transposed tile: 16 columns by rows
// [row, row + 8) and [row + 8, row + 16).
template <int kDim>
__device__ __forceinline__ void transposed_factors(MmaB (&b)[2], const SharedTile<kDim>& tile,
                                                   int row, int k) {
  const int lane = lane_of_warp();
  uint32_t r[4];
  load_matrices<false>(r, tile.chunk(row + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
  b[0] = {{r[0], r[1]}};
  b[1] = {{r[2], r[3]}};
}
// Two 16 x 8 factors: rows [row, row + 16), columns of chunk c and the next.
template <int kDim>
__device__ __forceinline__ void plain_factors(MmaB (&b)[2], const SharedTile<kDim>& tile, int row,
                                              int c) {
  const int lane = lane_of_warp();
  uint32_t r[4];
  load_matrices<true>(r, tile.chunk(row + lane % 16, c + lane / 16));
  b[0] = {{r[0], r[1]}};
  b[1] = {{r[2], r[3]}};
}

// ---- Sums of a warp: (16 kRowTiles) x (8 kColTiles), see mma_bf16 for what a lane holds ----

template <int kRowTiles, int kColTiles>
struct Sums {
  float at[kRowTiles][kColTiles][4];
  __device__ __forceinline__ void clear() {
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int n = 0; n < kColTiles; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 4; ++i) at[m][n][i] = 0;
      }
    }
  }
};

// Where a lane's elements of Sums stand: half h (element i / 2) of row tile m, and a column.
__device__ __forceinline__ int row_of_half(int m, int h) {
  return m * kFragment + lane_of_warp() / 4 + h * 8;
}
__device__ __forceinline__ int col_of(int n, int i) {
  return n * 8 + lane_of_warp() % 4 * 2 + i % 2;
}

// sums = a b^T: the warp's rows of a (from `row`) by all rows of b.
template <int kDim, int kRowTiles, int kColTiles>
__device__ __forceinline__ void multiply_transposed(Sums<kRowTiles, kColTiles>& sums,
                                                    const SharedTile<kDim>& a, int row,
                                                    const SharedTile<kDim>& b) {
  sums.clear();
  BALLAST_UNROLL
  for (int k = 0; k < kDim / 16; ++k) {
    MmaA rows[kRowTiles];
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) rows[m] = row_fragment(a, row + m * kFragment, k);
    BALLAST_UNROLL
    for (int n = 0; n < kColTiles; n += 2) {
      MmaB factors[2];
      transposed_factors(factors, b, n * 8, k);
      BALLAST_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        mma_bf16(sums.at[m][n], rows[m], factors[0]);
        mma_bf16(sums.at[m][n + 1], rows[m], factors[1]);
      }
    }
  }
}

// sums += p b with p rounded to bf16: a warp's sums have the layout of an A fragment's pairs.
template <int kDim, int kRowTiles, int kInner>
__device__ __forceinline__ void multiply_add(Sums<kRowTiles, kDim / 8>& sums,
                                             const Sums<kRowTiles, kInner>& p,
                                             const SharedTile<kDim>& b) {
  BALLAST_UNROLL
  for (int k = 0; k < kInner / 2; ++k) {
    MmaA rows[kRowTiles];
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      const auto &left = p.at[m][2 * k], &right = p.at[m][2 * k + 1];
      rows[m] = {{pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]),
                  pack_bf16(right[0], right[1]), pack_bf16(right[2], right[3])}};
    }
    BALLAST_UNROLL
    for (int n = 0; n < kDim / 8; n += 2) {
      MmaB factors[2];
      plain_factors(factors, b, k * kFragment, n);
      BALLAST_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        mma_bf16(sums.at[m][n], rows[m], factors[0]);
        mma_bf16(sums.at[m][n + 1], rows[m], factors[1]);
      }
    }
  }
}

// Stores the warp's sums, times `factors` of its rows, as `count` rows of `dim` columns at `to`. By
// way of the warp's rows of `stage`, which nobody else touches: whole chunks reach memory.
template <int kDim, int kRowTiles>
__device__ __forceinline__ void store_rows(bf16* to, int64_t stride, int64_t count, int64_t dim,
                                           const Sums<kRowTiles, kDim / 8>& sums,
                                           const float (&factors)[kRowTiles][2],
                                           const SharedTile<kDim>& stage, int row) {
  warp_sync();  // the last fragments of these rows have been read
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    BALLAST_UNROLL
    for (int n = 0; n < kDim / 8; ++n) {
      BALLAST_UNROLL
      for (int h = 0; h < 2; ++h) {
        const float f = factors[m][h];
        bf16* const pair = stage.chunk(row + row_of_half(m, h), n) + lane_of_warp() % 4 * 2;
        *reinterpret_cast<uint32_t*>(pair) =
            pack_bf16(f * sums.at[m][n][2 * h], f * sums.at[m][n][2 * h + 1]);
      }
    }
  }
  warp_sync();
  constexpr int kChunks = kDim / kChunk;
  for (int i = lane_of_warp(); i < kRowTiles * kFragment * kChunks; i += kWarpSize) {
    const int r = i / kChunks, c = i % kChunks;
    if (r >= count || c * kChunk >= dim) continue;
    store_vec(to + r * stride + c * kChunk, load_vec<kChunk>(stage.chunk(row + r, c)));
  }
}

// Factor from a product to a score in units of log 2. A capped score has been through its policy.
template <bool kCap>
__device__ __forceinline__ float log2_factor(const Policy<kCap>& policy) {
  return kCap ? kLog2e : policy.scale * kLog2e;
}

// ---- Host ----

// function(integral_constant<int, kDim>()): the compiled size that holds heads of `dim`.
template <class Function>
void with_dim(int64_t dim, const Function& function) {
  if (dim <= 64) {
    function(std::integral_constant<int, 64>());
  } else {
    function(std::integral_constant<int, 128>());
  }
}

// Whether the bf16 kernels take these heads. They scale the largest product instead of every one,
// which a negative or a zero scale does not allow.
inline bool fits_mma(const AttentionShape& s, const ScorePolicy& policy) {
  return s.head_dim % kChunk == 0 && s.head_dim <= 128 && policy.scale > 0;
}

}  // namespace ballast::attn
