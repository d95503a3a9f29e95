// xIELU in vectors. The sums for the two scalars are double per row and are added in row order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/xielu.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd-inl.h"
#include "kernels/ref/xielu.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

using Slopes = ref::XieluSlopes<float>;

void xielu_row(float* y, const float* x, int64_t n, Slopes s) {
  const Floats d;
  const Vector zero = hn::Zero(d), beta = hn::Set(d, static_cast<float>(ref::kXieluBeta));
  const Vector ap = hn::Set(d, s.positive), an = hn::Set(d, s.negative);
  for (int64_t i = 0; i < n; i += lanes()) {
    const Vector v = load_up_to(x + i, n - i);
    const Vector curve = hn::IfThenElse(hn::Gt(v, zero), hn::Mul(ap, hn::Mul(v, v)),
                                        hn::Mul(an, hn::Sub(expm1_of(v), v)));
    store_up_to(hn::MulAdd(beta, v, curve), y + i, n - i);
  }
}

// sums[0] += sum g x^2 over x > 0, sums[1] += sum g (expm1(x) - x) over the rest.
void xielu_row_bwd(float* dx, double* sums, const float* dy, const float* x, int64_t n, Slopes s) {
  const Floats d;
  const Vector zero = hn::Zero(d), beta = hn::Set(d, static_cast<float>(ref::kXieluBeta));
  const Vector twice_ap = hn::Set(d, 2 * s.positive), an = hn::Set(d, s.negative);
  Vector positive = zero, negative = zero;
  for (int64_t i = 0; i < n; i += lanes()) {
    const Vector v = load_up_to(x + i, n - i), g = load_up_to(dy + i, n - i);
    const Vector e = expm1_of(v);
    const auto right = hn::Gt(v, zero);
    const Vector slope = hn::IfThenElse(right, hn::Mul(twice_ap, v), hn::Mul(an, e));
    const Vector curve = hn::Mul(g, hn::IfThenElse(right, hn::Mul(v, v), hn::Sub(e, v)));
    positive = hn::Add(positive, hn::IfThenElseZero(right, curve));
    negative = hn::Add(negative, hn::IfThenZeroElse(right, curve));
    store_up_to(hn::Mul(g, hn::Add(slope, beta)), dx + i, n - i);
  }
  sums[0] += static_cast<double>(sum_of(positive));
  sums[1] += static_cast<double>(sum_of(negative));
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(xielu_row);
HWY_EXPORT(xielu_row_bwd);

void CpuBackend::xielu(const Tensor& y, const Tensor& x, const Tensor& alpha) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols && alpha.cols == 2);
  const ref::XieluSlopes<float> slopes = ref::xielu_slopes(ref::view<float>(alpha));
  pool_.parallel_for(y.rows, chunk_of(y.rows, y.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(xielu_row)
      (y.row<float>(n), x.row<float>(n), y.cols, slopes);
    }
  });
}

void CpuBackend::xielu_bwd(const Tensor& dx, const Tensor& dalpha, const Tensor& dy,
                           const Tensor& x, const Tensor& alpha) {
  BALLAST_CHECK(dx.rows == x.rows && dx.cols == x.cols && dy.rows == x.rows && dy.cols == x.cols);
  BALLAST_CHECK(alpha.cols == 2 && dalpha.cols == 2);
  const ref::XieluSlopes<float> slopes = ref::xielu_slopes(ref::view<float>(alpha));
  std::vector<double> sums(static_cast<size_t>(2 * x.rows));
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(xielu_row_bwd)
      (dx.row<float>(n), sums.data() + 2 * n, dy.row<float>(n), x.row<float>(n), x.cols, slopes);
    }
  });
  double total[2] = {};
  for (size_t i = 0; i < sums.size(); ++i) total[i % 2] += sums[i];
  for (int64_t k = 0; k < 2; ++k) {
    const double slope = ref::sigmoid(static_cast<double>(alpha.as<float>()[k]));
    dalpha.as<float>()[k] += static_cast<float>(total[k] * slope);
  }
}

}  // namespace ballast
#endif  // HWY_ONCE
