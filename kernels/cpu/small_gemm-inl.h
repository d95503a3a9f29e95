// A matrix product on small, cache-resident operands for kernels that fuse it with other work: C
// (m, n) = A (m, k) B (k, n), or += . B and C are rows of vectors: n is a multiple of the lane
// count and rows may be read and written to that length. A has any two strides, so its transpose
// costs nothing: every element of A is broadcast. Each element of C is one sum in order of k.
#if defined(BALLAST_KERNELS_CPU_SMALL_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BALLAST_KERNELS_CPU_SMALL_GEMM_INL_H_
#undef BALLAST_KERNELS_CPU_SMALL_GEMM_INL_H_
#else
#define BALLAST_KERNELS_CPU_SMALL_GEMM_INL_H_
#endif

#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

struct SmallGemm {
  float* c;
  int64_t c_stride;
  const float* a;
  int64_t a_row, a_col;  // strides of A's two indices
  const float* b;
  int64_t b_stride;
  int64_t m, n, k;
  bool accumulate;
};

// Register tile: kTileM rows of kTileN vectors. 32 registers could hold 6 x 4 sums, but blocks of
// 32 rows and keys are whole tiles of 8 x 2; 16 registers hold 6 x 2.
constexpr int kTileN = 2;
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr int kTileM = 8;
#else
constexpr int kTileM = 6;
#endif

template <int kM, int kN>
HWY_INLINE void small_gemm_tile(const SmallGemm& g, int64_t i, int64_t j) {
  const Floats d;
  const int64_t w = lanes();
  Vector sum[kM][kN];
  for (int r = 0; r < kM; ++r) {
    for (int v = 0; v < kN; ++v) {
      sum[r][v] = g.accumulate ? hn::LoadU(d, g.c + (i + r) * g.c_stride + j + v * w) : hn::Zero(d);
    }
  }
  const float* a = g.a + i * g.a_row;
  const float* b = g.b + j;
  for (int64_t l = 0; l < g.k; ++l, a += g.a_col, b += g.b_stride) {
    Vector bv[kN];
    for (int v = 0; v < kN; ++v) bv[v] = hn::LoadU(d, b + v * w);
    for (int r = 0; r < kM; ++r) {
      const Vector av = hn::Set(d, a[r * g.a_row]);
      for (int v = 0; v < kN; ++v) sum[r][v] = hn::MulAdd(av, bv[v], sum[r][v]);
    }
  }
  for (int r = 0; r < kM; ++r) {
    for (int v = 0; v < kN; ++v) {
      hn::StoreU(sum[r][v], d, g.c + (i + r) * g.c_stride + j + v * w);
    }
  }
}

// All rows of one column of tiles.
template <int kN>
HWY_NOINLINE void small_gemm_columns(const SmallGemm& g, int64_t j) {
  int64_t i = 0;
  for (; i + kTileM <= g.m; i += kTileM) small_gemm_tile<kTileM, kN>(g, i, j);
  switch (g.m - i) {
    case 7:
      return small_gemm_tile<7, kN>(g, i, j);
    case 6:
      return small_gemm_tile<6, kN>(g, i, j);
    case 5:
      return small_gemm_tile<5, kN>(g, i, j);
    case 4:
      return small_gemm_tile<4, kN>(g, i, j);
    case 3:
      return small_gemm_tile<3, kN>(g, i, j);
    case 2:
      return small_gemm_tile<2, kN>(g, i, j);
    case 1:
      return small_gemm_tile<1, kN>(g, i, j);
    default:
      return;
  }
}

HWY_INLINE void small_gemm(const SmallGemm& g) {
  const int64_t w = lanes();
  int64_t j = 0;
  for (; j + kTileN * w <= g.n; j += kTileN * w) small_gemm_columns<kTileN>(g, j);
  for (; j + w <= g.n; j += w) small_gemm_columns<1>(g, j);
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#endif  // BALLAST_KERNELS_CPU_SMALL_GEMM_INL_H_
