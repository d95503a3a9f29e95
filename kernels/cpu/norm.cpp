// RMSNorm by rows; the arithmetic of kernels/ref/norm.h in vectors. Sums over a row run in four
// vectors of partial sums.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/norm.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
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

float norm_row(float* y, const float* x, const float* w, int64_t n, float eps) {
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

void norm_row_bwd(float* dx, float* dw, const float* dy, const float* x, const float* w, float rstd,
                  int64_t n) {
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

void add_row(float* y, const float* a, const float* b, int64_t n) {
  for (int64_t i = 0; i < n; i += lanes()) {
    store_up_to(hn::Add(load_up_to(a + i, n - i), load_up_to(b + i, n - i)), y + i, n - i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(norm_row);
HWY_EXPORT(norm_row_bwd);
HWY_EXPORT(add_row);

void CpuBackend::norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                      float eps) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols && w.cols == x.cols && rstd.cols == x.rows);
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      rstd.as<float>()[n] = HWY_DYNAMIC_DISPATCH(norm_row)(y.row<float>(n), x.row<float>(n),
                                                           w.as<float>(), x.cols, eps);
    }
  });
}

void CpuBackend::add_norm(const Tensor& y, const Tensor& rstd, const Tensor& sum, const Tensor& x,
                          const Tensor& branch, const Tensor& w, float eps) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols && w.cols == x.cols && rstd.cols == x.rows);
  BALLAST_CHECK(sum.rows == x.rows && sum.cols == x.cols);
  BALLAST_CHECK(branch.rows == x.rows && branch.cols == x.cols);
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(add_row)
      (sum.row<float>(n), x.row<float>(n), branch.row<float>(n), x.cols);
      rstd.as<float>()[n] = HWY_DYNAMIC_DISPATCH(norm_row)(y.row<float>(n), sum.row<float>(n),
                                                           w.as<float>(), x.cols, eps);
    }
  });
}

void CpuBackend::norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                          const Tensor& w, const Tensor& rstd) {
  BALLAST_CHECK(dx.rows == x.rows && dy.rows == x.rows && dx.cols == x.cols && dy.cols == x.cols);
  BALLAST_CHECK(w.cols == x.cols && dw.cols == x.cols && rstd.cols == x.rows);
  accumulate_rows(dw.as<float>(), x.rows, x.cols, [&](int64_t begin, int64_t end, float* partial) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(norm_row_bwd)
      (dx.row<float>(n), partial, dy.row<float>(n), x.row<float>(n), w.as<float>(),
       rstd.as<float>()[n], x.cols);
    }
  });
}

}  // namespace ballast
#endif  // HWY_ONCE
