// AdamW in vectors, element for element the arithmetic of kernels/ref/adamw.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adamw.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd-inl.h"
#include "kernels/ref/adamw.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// low, high += x^2 in double, where a product of two floats is exact; lanes are added at the end.
HWY_INLINE void add_squares(Vector x, Doubles& low, Doubles& high) {
  const Doubles a = low_doubles(x), b = high_doubles(x);
  low = hn::MulAdd(a, a, low);
  high = hn::MulAdd(b, b, high);
}

// n elements of one range; adds to sums[3] unless null.
void adamw_range(float* p, const float* grad, float* m, float* v, int64_t n,
                 const ref::AdamWScalars<float>& s, bool apply, double* sums) {
  const Floats d;
  const Doubles zero = hn::Zero(DoubleTag());
  Doubles update_low = zero, update_high = zero, p_low = zero, p_high = zero;
  Doubles v_low = zero, v_high = zero;
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    Vector pv = load_up_to(p + i, left), vv = load_up_to(v + i, left);
    if (apply) {
      const Vector g = hn::Mul(hn::Set(d, s.grad_factor), load_up_to(grad + i, left));
      const Vector mv = hn::MulAdd(hn::Set(d, s.one_minus_beta1), g,
                                   hn::Mul(hn::Set(d, s.beta1), load_up_to(m + i, left)));
      vv = hn::MulAdd(hn::Set(d, s.one_minus_beta2), hn::Mul(g, g),
                      hn::Mul(hn::Set(d, s.beta2), vv));
      const Vector root = hn::Add(hn::Sqrt(hn::Mul(hn::Set(d, s.v_factor), vv)), hn::Set(d, s.eps));
      // Behind the end all is 0 and eps may be 0: only whole results are stored and summed.
      Vector update =
          hn::MulAdd(hn::Set(d, s.decay), pv, hn::Div(hn::Mul(hn::Set(d, s.m_factor), mv), root));
      if (left < lanes()) {
        update = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(left)), update);
      }
      pv = hn::Sub(pv, update);
      store_up_to(mv, m + i, left);
      store_up_to(vv, v + i, left);
      store_up_to(pv, p + i, left);
      add_squares(update, update_low, update_high);
    }
    add_squares(pv, p_low, p_high);
    add_squares(vv, v_low, v_high);
  }
  if (sums == nullptr) return;
  sums[0] += sum_of_doubles(hn::Add(update_low, update_high));
  sums[1] += sum_of_doubles(hn::Add(p_low, p_high));
  sums[2] += sum_of_doubles(hn::Add(v_low, v_high));
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(adamw_range);

void CpuBackend::adamw_step(const AdamWStep& step) {
  const int64_t n = step.param.cols;
  BALLAST_CHECK(step.grad.cols == n && step.m.cols == n && step.v.cols == n);
  BALLAST_CHECK(step.ranges.empty() ||
                (step.ranges.front().begin >= 0 && step.ranges.back().end <= n));
  BALLAST_CHECK(
      step.block_sums.empty() ||
      (step.block_sums.rows == (n + kFlatBlock - 1) / kFlatBlock && step.block_sums.cols == 3));
  std::vector<ref::AdamWScalars<float>> scalars;
  for (const OptimizerRange& range : step.ranges) {
    scalars.push_back(ref::adamw_scalars<float>(step, range));
  }
  pool_.parallel_for(n, kFlatBlock, [&](int64_t begin, int64_t end) {
    double* sums =
        step.block_sums.empty() ? nullptr : step.block_sums.row<double>(begin / kFlatBlock);
    if (sums != nullptr) std::fill_n(sums, 3, 0.0);
    for (size_t r = 0; r < step.ranges.size(); ++r) {
      const int64_t from = std::max(step.ranges[r].begin, begin);
      const int64_t to = std::min(step.ranges[r].end, end);
      if (from >= to) continue;
      HWY_DYNAMIC_DISPATCH(adamw_range)
      (step.param.as<float>() + from, step.grad.as<float>() + from, step.m.as<float>() + from,
       step.v.as<float>() + from, to - from, scalars[r], step.apply, sums);
    }
  });
}

}  // namespace ballast
#endif  // HWY_ONCE
