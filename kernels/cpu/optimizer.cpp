// The optimizers in vectors, element for element the arithmetic of kernels/ref/optimizer.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optimizer.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd-inl.h"
#include "kernels/ref/optimizer.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// low, high += x^2 in double, where a product of two floats is exact; lanes are added at the end.
HWY_INLINE void add_squares(Vector x, Doubles& low, Doubles& high) {
  const Doubles a = low_doubles(x), b = high_doubles(x);
  low = hn::MulAdd(a, a, low);
  high = hn::MulAdd(b, b, high);
}

// n elements of one range; m2 is null but for ademamix; adds to sums[3] unless null.
void optimizer_range(float* p, const float* grad, float* m, float* v, float* m2, int64_t n,
                     const ref::OptimizerScalars<float>& s, bool apply, double* sums) {
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
      Vector numerator = hn::Mul(hn::Set(d, s.m_factor), mv);
      if (m2 != nullptr) {
        const Vector slow = hn::MulAdd(hn::Set(d, s.one_minus_beta3), g,
                                       hn::Mul(hn::Set(d, s.beta3), load_up_to(m2 + i, left)));
        numerator = hn::MulAdd(hn::Set(d, s.m2_factor), slow, numerator);
        store_up_to(slow, m2 + i, left);
      }
      const Vector root = hn::Add(hn::Sqrt(hn::Mul(hn::Set(d, s.v_factor), vv)), hn::Set(d, s.eps));
      // Behind the end all is 0 and eps may be 0: only whole results are stored and summed.
      Vector update = hn::MulAdd(hn::Set(d, s.decay), pv, hn::Div(numerator, root));
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

// Sum over n elements of g^2 / max(v', eps^2).
double ratio_range(const float* grad, const float* v, int64_t n,
                   const ref::OptimizerScalars<float>& s) {
  const Floats d;
  Doubles low = hn::Zero(DoubleTag()), high = low;
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    const Vector g = hn::Mul(hn::Set(d, s.grad_factor), load_up_to(grad + i, left));
    const Vector square = hn::Mul(g, g);
    const Vector next = hn::MulAdd(hn::Set(d, s.one_minus_beta2), square,
                                   hn::Mul(hn::Set(d, s.beta2), load_up_to(v + i, left)));
    // x86 gives the second operand when either is NaN: a NaN in v has to show.
    Vector ratio = hn::Div(square, hn::Max(hn::Set(d, s.eps * s.eps), next));
    if (left < lanes()) ratio = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(left)), ratio);
    low = hn::Add(low, low_doubles(ratio));
    high = hn::Add(high, high_doubles(ratio));
  }
  return sum_of_doubles(hn::Add(low, high));
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(optimizer_range);
HWY_EXPORT(ratio_range);

namespace {

constexpr int64_t kChunk = 1024;  // elements of bf16 states that are widened at a time

void check(const OptimizerStep& step) {
  const int64_t n = step.param.cols;
  BALLAST_CHECK(step.grad.cols == n && step.m.cols == n && step.v.cols == n);
  BALLAST_CHECK(step.m.dtype == step.v.dtype &&
                (step.m.dtype == Dtype::f32 || step.m.dtype == Dtype::bf16));
  const bool slow = step.kind == OptimizerKind::ademamix;
  BALLAST_CHECK(!slow || (step.m2.cols == n && step.m2.dtype == step.m.dtype));
  BALLAST_CHECK(step.ranges.empty() ||
                (step.ranges.front().begin >= 0 && step.ranges.back().end <= n));
}

// bf16 states of [begin, end): widened, used, rounded by the element's noise.
void update_bf16(const OptimizerStep& step, int64_t begin, int64_t end,
                 const ref::OptimizerScalars<float>& scalars, double* sums) {
  const bool slow = step.kind == OptimizerKind::ademamix;
  uint16_t* states[3] = {step.m.as<uint16_t>(), step.v.as<uint16_t>(),
                         slow ? step.m2.as<uint16_t>() : nullptr};
  float wide[3][kChunk];
  for (int64_t at = begin; at < end; at += kChunk) {
    const int64_t n = std::min(kChunk, end - at);
    for (int k = 0; k < (slow ? 3 : 2); ++k)
      for (int64_t i = 0; i < n; ++i) wide[k][i] = bf16_to_float(states[k][at + i]);
    HWY_DYNAMIC_DISPATCH(optimizer_range)
    (step.param.as<float>() + at, step.grad.as<float>() + at, wide[0], wide[1],
     slow ? wide[2] : nullptr, n, scalars, step.apply, sums);
    if (!step.apply) continue;
    for (int64_t i = 0; i < n; ++i) {
      const ref::StateNoise noise =
          ref::state_noise(step.rounding_seed, step.t, step.flat_begin + at + i);
      states[0][at + i] = float_to_bf16_stochastic(wide[0][i], noise.m);
      states[1][at + i] = float_to_bf16_stochastic(wide[1][i], noise.v);
      if (slow) states[2][at + i] = float_to_bf16_stochastic(wide[2][i], noise.m2);
    }
  }
}

// Calls f(index of the range, from, to) for what of the ranges lies in [begin, end).
template <class F>
void for_ranges(std::span<const OptimizerRange> ranges, int64_t begin, int64_t end, F f) {
  auto range = std::ranges::upper_bound(ranges, begin, {}, &OptimizerRange::end);
  for (; range != ranges.end() && range->begin < end; ++range)
    f(static_cast<size_t>(range - ranges.begin()), std::max(range->begin, begin),
      std::min(range->end, end));
}

}  // namespace

void CpuBackend::optimizer_step(const OptimizerStep& step) {
  check(step);
  const int64_t n = step.param.cols;
  BALLAST_CHECK(
      step.block_sums.empty() ||
      (step.block_sums.rows == (n + kFlatBlock - 1) / kFlatBlock && step.block_sums.cols == 3));
  std::vector<ref::OptimizerScalars<float>> scalars;
  for (const OptimizerRange& range : step.ranges) {
    scalars.push_back(ref::optimizer_scalars<float>(step, range));
  }
  float* slow = step.kind == OptimizerKind::ademamix ? step.m2.as<float>() : nullptr;
  pool_.parallel_for(n, kFlatBlock, [&](int64_t begin, int64_t end) {
    double* sums =
        step.block_sums.empty() ? nullptr : step.block_sums.row<double>(begin / kFlatBlock);
    if (sums != nullptr) std::fill_n(sums, 3, 0.0);
    for_ranges(step.ranges, begin, end, [&](size_t r, int64_t from, int64_t to) {
      if (step.m.dtype == Dtype::bf16) return update_bf16(step, from, to, scalars[r], sums);
      HWY_DYNAMIC_DISPATCH(optimizer_range)
      (step.param.as<float>() + from, step.grad.as<float>() + from, step.m.as<float>() + from,
       step.v.as<float>() + from, slow == nullptr ? nullptr : slow + from, to - from, scalars[r],
       step.apply, sums);
    });
  });
}

void CpuBackend::update_ratio(const Tensor& out, const OptimizerStep& step) {
  check(step);
  const auto count = static_cast<int64_t>(step.ranges.size());
  pool_.parallel_for(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const OptimizerRange& range = step.ranges[static_cast<size_t>(r)];
      const auto scalars = ref::optimizer_scalars<float>(step, ref::without_ratio(range));
      const float* grad = step.grad.as<float>();
      double sum = 0;
      if (step.v.dtype == Dtype::f32) {
        sum = HWY_DYNAMIC_DISPATCH(ratio_range)(
            grad + range.begin, step.v.as<float>() + range.begin, range.end - range.begin, scalars);
      } else {
        float wide[kChunk];
        for (int64_t at = range.begin; at < range.end; at += kChunk) {
          const int64_t n = std::min(kChunk, range.end - at);
          for (int64_t i = 0; i < n; ++i) wide[i] = bf16_to_float(step.v.as<uint16_t>()[at + i]);
          sum += HWY_DYNAMIC_DISPATCH(ratio_range)(grad + at, wide, n, scalars);
        }
      }
      out.as<double>()[range.ratio.entry] = sum;
    }
  });
}

}  // namespace ballast
#endif  // HWY_ONCE
