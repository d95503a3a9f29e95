// Norms of one run of values, in vectors: the arithmetic of kernels/ref/norm.h. Sums over a run go
// through four vectors of partial sums. Compiled once per target (Highway's -inl.h pattern).
#if defined(BALLAST_KERNELS_CPU_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BALLAST_KERNELS_CPU_NORM_INL_H_
#undef BALLAST_KERNELS_CPU_NORM_INL_H_
#else
#define BALLAST_KERNELS_CPU_NORM_INL_H_
#endif

#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// Sum over [0, n) of term(i, left), a vector that is zero behind the end.
template <class Term>
HWY_INLINE float sum_terms(int64_t n, const Term& term) {
  const Floats d;
  const int64_t w = lanes();
  Vector sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    for (int64_t v = 0; v < 4; ++v) sum[v] = hn::Add(sum[v], term(i + v * w, n - i - v * w));
  }
  for (; i < n; i += w) sum[0] = hn::Add(sum[0], term(i, n - i));
  return sum_of(hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3])));
}

HWY_INLINE float rms_run(float* y, const float* x, const float* w, int64_t n, float eps) {
  const float sum = sum_terms(n, [&](int64_t i, int64_t left) HWY_ATTR {
    const Vector v = load_up_to(x + i, left);
    return hn::Mul(v, v);
  });
  const float rstd = 1 / std::sqrt(sum / static_cast<float>(n) + eps);
  const Vector r = hn::Set(Floats(), rstd);
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    store_up_to(hn::Mul(hn::Mul(load_up_to(x + i, left), r), load_up_to(w + i, left)), y + i, left);
  }
  return rstd;
}

HWY_INLINE void rms_run_bwd(float* dx, float* dw, const float* dy, const float* x, const float* w,
                            float rstd, int64_t n) {
  const float sum = sum_terms(n, [&](int64_t i, int64_t left) HWY_ATTR {
    return hn::Mul(hn::Mul(load_up_to(w + i, left), load_up_to(dy + i, left)),
                   load_up_to(x + i, left));
  });
  const Vector r = hn::Set(Floats(), rstd);
  const Vector slope = hn::Set(Floats(), rstd * rstd * rstd * sum / static_cast<float>(n));
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    const Vector g = load_up_to(dy + i, left), xv = load_up_to(x + i, left);
    const Vector gr = hn::Mul(g, r);
    store_up_to(hn::MulAdd(gr, xv, load_up_to(dw + i, left)), dw + i, left);
    store_up_to(hn::NegMulAdd(xv, slope, hn::Mul(gr, load_up_to(w + i, left))), dx + i, left);
  }
}

struct MeanRstd {
  float mean, rstd;
};

// The first `left` lanes of v, zeros behind them: x - mean is not zero behind the end.
HWY_INLINE Vector keep_first(Vector v, int64_t left) {
  if (HWY_LIKELY(left >= lanes())) return v;
  return hn::IfThenElseZero(hn::FirstN(Floats(), static_cast<size_t>(left)), v);
}

HWY_INLINE MeanRstd layer_run(float* y, const float* x, const float* w, const float* bias,
                              int64_t n, float eps) {
  const auto count = static_cast<float>(n);
  const float mean =
      sum_terms(n, [&](int64_t i, int64_t left) HWY_ATTR { return load_up_to(x + i, left); }) /
      count;
  const Vector m = hn::Set(Floats(), mean);
  const float squares = sum_terms(n, [&](int64_t i, int64_t left) HWY_ATTR {
    const Vector v = keep_first(hn::Sub(load_up_to(x + i, left), m), left);
    return hn::Mul(v, v);
  });
  const float rstd = 1 / std::sqrt(squares / count + eps);
  const Vector r = hn::Set(Floats(), rstd);
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    const Vector xh = hn::Mul(hn::Sub(load_up_to(x + i, left), m), r);
    store_up_to(hn::MulAdd(xh, load_up_to(w + i, left), load_up_to(bias + i, left)), y + i, left);
  }
  return {mean, rstd};
}

HWY_INLINE void layer_run_bwd(float* dx, float* dw, float* dbias, const float* dy, const float* x,
                              const float* w, MeanRstd s, int64_t n) {
  const Vector m = hn::Set(Floats(), s.mean), r = hn::Set(Floats(), s.rstd);
  const auto count = static_cast<float>(n);
  const float sum = sum_terms(n, [&](int64_t i, int64_t left) HWY_ATTR {
    return hn::Mul(load_up_to(w + i, left), load_up_to(dy + i, left));
  });
  const float inner = sum_terms(n, [&](int64_t i, int64_t left) HWY_ATTR {
    const Vector xh = hn::Mul(hn::Sub(load_up_to(x + i, left), m), r);
    return hn::Mul(hn::Mul(load_up_to(w + i, left), load_up_to(dy + i, left)), xh);
  });
  const Vector mean_g = hn::Set(Floats(), sum / count), slope = hn::Set(Floats(), inner / count);
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    const Vector g = load_up_to(dy + i, left);
    const Vector xh = hn::Mul(hn::Sub(load_up_to(x + i, left), m), r);
    const Vector centred = hn::MulSub(g, load_up_to(w + i, left), mean_g);
    store_up_to(hn::MulAdd(g, xh, load_up_to(dw + i, left)), dw + i, left);
    store_up_to(hn::Add(g, load_up_to(dbias + i, left)), dbias + i, left);
    store_up_to(hn::Mul(r, hn::NegMulAdd(xh, slope, centred)), dx + i, left);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#endif  // BALLAST_KERNELS_CPU_NORM_INL_H_
