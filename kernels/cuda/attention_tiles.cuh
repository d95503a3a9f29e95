// Tiles in shared memory, filled by asynchronous copies, and a warp's products of such tiles by
// matrix instructions.
#pragma once

#include "kernels/cuda/attention_heads.cuh"

namespace ballast::attn {

inline constexpr int kMmaWarps = 4, kMmaThreads = kMmaWarps * kWarpSize;
inline constexpr int kFragment = 16;  // rows of an A fragment
inline constexpr int kChunk = 8;      // elements of one 16-byte access

// Rows of kDim elements. The pitch is an odd number of 16-byte chunks, so that the eight rows of an
// 8 x 8 tile lie in different banks. (Swapping chunks needs no padding, but then offsets are not
// constant, and their registers spill.)
template <int kDim>
struct SharedTile {
  static constexpr int kPitch = kDim + kChunk;
  bf16* data;
  __device__ __forceinline__ bf16* at(int row, int col) const { return data + row * kPitch + col; }
};

// Elements of `rows` rows.
template <int kDim>
__host__ __device__ constexpr int tile_elements(int rows) {
  return rows * (kDim + kChunk);
}

// Starts the copy of kRows rows at `from`: zeros behind the first `count` and behind column `dim`.
template <int kRows, int kDim>
__device__ __forceinline__ void load_tile(const SharedTile<kDim>& to, const bf16* from,
                                          int64_t stride, int count, int dim) {
  constexpr int kChunks = kDim / kChunk, kStep = kMmaThreads / kChunks;
  const int row = static_cast<int>(threadIdx.x) / kChunks;
  const int col = static_cast<int>(threadIdx.x) % kChunks * kChunk;
  const bf16* next = from + row * stride + col;
  BALLAST_UNROLL
  for (int n = 0; n < kRows; n += kStep) {
    const bool there = row + n < count && col < dim;
    copy_async(to.at(row + n, col), there ? next : from, there);
    next += kStep * stride;
  }
}

// ---- Fragments ----

// Rows [row, row + 16), columns [16 k, 16 k + 16).
template <int kDim>
__device__ __forceinline__ MmaA row_fragment(const SharedTile<kDim>& tile, int row, int k) {
  const int lane = lane_of_warp();
  MmaA a;
  load_matrices<false>(a.r, tile.at(row + lane % 16, 16 * k + lane / 16 * 8));
  return a;
}
// The same rows and columns as two 16 x 8 factors of the transposed tile: 16 columns by rows
// [row, row + 8) and [row + 8, row + 16).
template <int kDim>
__device__ __forceinline__ void transposed_factors(MmaB (&b)[2], const SharedTile<kDim>& tile,
                                                   int row, int k) {
  const int lane = lane_of_warp();
  uint32_t r[4];
  load_matrices<false>(r, tile.at(row + lane % 8 + lane / 16 * 8, 16 * k + lane / 8 % 2 * 8));
  b[0] = {{r[0], r[1]}};
  b[1] = {{r[2], r[3]}};
}
// Two 16 x 8 factors: rows [row, row + 16), columns [col, col + 8) and [col + 8, col + 16).
template <int kDim>
__device__ __forceinline__ void plain_factors(MmaB (&b)[2], const SharedTile<kDim>& tile, int row,
                                              int col) {
  const int lane = lane_of_warp();
  uint32_t r[4];
  load_matrices<true>(r, tile.at(row + lane % 16, col + lane / 16 * 8));
  b[0] = {{r[0], r[1]}};
  b[1] = {{r[2], r[3]}};
}

// ---- Sums of a warp: (16 kRowTiles) x (8 kColTiles), see mma_bf16 for what a lane holds ----

template <int kRowTiles, int kColTiles>
struct Sums {
  float at[kRowTiles][kColTiles][4];

  // function(element)
  template <class Function>
  __device__ __forceinline__ void each(const Function& function) {
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int n = 0; n < kColTiles; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 4; ++i) function(at[m][n][i]);
      }
    }
  }
  __device__ __forceinline__ void clear() {
    each([](float& x) { x = 0; });
  }
  __device__ __forceinline__ void scale(float factor) {
    each([&](float& x) { x *= factor; });
  }
  // By row tile and half, see row_of_half.
  __device__ __forceinline__ void scale_rows(const float (&factors)[kRowTiles][2]) {
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int n = 0; n < kColTiles; ++n) {
        BALLAST_UNROLL
        for (int i = 0; i < 4; ++i) at[m][n][i] *= factors[m][i / 2];
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
      plain_factors(factors, b, k * kFragment, n * 8);
      BALLAST_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        mma_bf16(sums.at[m][n], rows[m], factors[0]);
        mma_bf16(sums.at[m][n + 1], rows[m], factors[1]);
      }
    }
  }
}

// Stores the first `count` rows and `dim` columns of the warp's sums at `to`. By way of the warp's
// rows of `stage`, which nobody else touches: whole chunks reach memory.
template <int kDim, int kRowTiles>
__device__ __forceinline__ void store_rows(bf16* to, int64_t stride, int count, int dim,
                                           const Sums<kRowTiles, kDim / 8>& sums,
                                           const SharedTile<kDim>& stage, int row) {
  warp_sync();  // the last fragments of these rows have been read
  BALLAST_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    BALLAST_UNROLL
    for (int n = 0; n < kDim / 8; ++n) {
      BALLAST_UNROLL
      for (int h = 0; h < 2; ++h) {
        bf16* const pair = stage.at(row + row_of_half(m, h), col_of(n, 0));
        *reinterpret_cast<uint32_t*>(pair) =
            pack_bf16(sums.at[m][n][2 * h], sums.at[m][n][2 * h + 1]);
      }
    }
  }
  warp_sync();
  constexpr int kChunks = kDim / kChunk;
  for (int i = lane_of_warp(); i < kRowTiles * kFragment * kChunks; i += kWarpSize) {
    const int r = i / kChunks, col = i % kChunks * kChunk;
    if (r < count && col < dim)
      store_vec(to + r * stride + col, load_vec<kChunk>(stage.at(row + r, col)));
  }
}

}  // namespace ballast::attn
