// How the bf16 attention kernels divide their work. A block of four warps owns a tile of 64
// kRowTiles rows (queries, or keys in the kernel of dK and dV); each warp has 16 kRowTiles of them,
// in kRowTiles fragments, so that a fragment of the streamed side is loaded once for all of them.
// The other side streams through two stages. In products over masked places P and dS are exact
// zeros; a zero times a NaN is NaN, so a NaN in V (forward), K, Q or dout (backward) reaches the
// rows of its tile, at most 127 rows from itself. A NaN score stays where it is seen.
#pragma once

#include "kernels/cuda/attention_tiles.cuh"

namespace ballast::attn {

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
