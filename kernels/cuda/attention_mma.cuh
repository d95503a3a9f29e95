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

// ---- Who works on what ----

// The rows of a block's tile, and this warp's of them: [begin, end) and [warp_begin, warp_end) of
// the sequence; `local`: where the warp's begin in the tile.
template <int kRowTiles>
struct OwnRows {
  static constexpr int kWarpRows = kRowTiles * kFragment, kRows = kWarpRows * kMmaWarps;
  int begin, end, local, warp_begin, warp_end;
  __device__ __forceinline__ OwnRows(unsigned tile, int seq)
      : begin(static_cast<int>(tile) * kRows),
        end(begin + kRows < seq ? begin + kRows : seq),
        local(static_cast<int>(threadIdx.x) / kWarpSize * kWarpRows),
        warp_begin(begin + local),
        warp_end(warp_begin + kWarpRows < seq ? warp_begin + kWarpRows : seq) {}
  __device__ __forceinline__ bool any() const { return warp_begin < warp_end; }
  __device__ __forceinline__ int warp_rows() const { return warp_end - warp_begin; }
};

// Two tiles that stream together, in two stages.
template <int kDim, int kRows>
struct Stages {
  static constexpr int kElements = 4 * tile_elements<kDim>(kRows);
  bf16* data;
  __device__ __forceinline__ SharedTile<kDim> first(int stage) const {
    return {data + 2 * stage * tile_elements<kDim>(kRows)};
  }
  __device__ __forceinline__ SharedTile<kDim> second(int stage) const {
    return {data + (2 * stage + 1) * tile_elements<kDim>(kRows)};
  }
};

// What a warp of queries sees of a tile of keys.
template <int kRowTiles, int kKeys>
struct SeenKeys {
  const OwnRows<kRowTiles>& rows;
  const int32_t* starts;
  int seq, smallest_start, largest_start;
  __device__ __forceinline__ SeenKeys(const OwnRows<kRowTiles>& r, const int32_t* s, int n)
      : rows(r),
        starts(s),
        seq(n),
        smallest_start(r.any() ? s[r.warp_begin] : 0),
        largest_start(r.any() ? s[r.warp_end - 1] : 0) {}
  __device__ __forceinline__ bool none(int key) const {
    return key >= rows.warp_end || key + kKeys <= smallest_start || !rows.any();
  }
  __device__ __forceinline__ bool all(int key) const {
    return key + kKeys - 1 <= rows.warp_begin && key >= largest_start;
  }
  // `value` for the places that are not seen.
  __device__ __forceinline__ void mask(Sums<kRowTiles, kKeys / 8>& sums, int key,
                                       float value) const {
    BALLAST_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      BALLAST_UNROLL
      for (int h = 0; h < 2; ++h) {
        const int t = rows.warp_begin + row_of_half(m, h);
        const int last = t - key, first = (t < seq ? starts[t] : 0) - key;
        BALLAST_UNROLL
        for (int n = 0; n < kKeys / 8; ++n) {
          BALLAST_UNROLL
          for (int i = 0; i < 2; ++i) {
            const int j = col_of(n, i);
            if (j < first || j > last) sums.at[m][n][2 * h + i] = value;
          }
        }
      }
    }
  }
};

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
