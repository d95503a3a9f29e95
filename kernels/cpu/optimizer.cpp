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

using Words = hn::RebindToUnsigned<Floats>;

// Values of bf16, those of float_to_bf16_stochastic().
HWY_INLINE Vector rounded_to_bf16(Vector x, hn::Vec<Words> noise) {
  const Words w;
  const auto bits = hn::BitCast(w, x), kept = hn::Set(w, 0xFFFF0000u);
  const auto finite = hn::And(hn::Add(bits, noise), kept);
  const auto nan = hn::And(hn::Or(bits, hn::Set(w, 0x00400000u)), kept);
  const auto exponent = hn::Set(w, 0x7F800000u);
  const auto is_nan = hn::RebindMask(w, hn::IsNaN(x));
  const auto not_finite = hn::IfThenElse(is_nan, nan, bits);
  const auto special = hn::Eq(hn::And(bits, exponent), exponent);
  return hn::BitCast(Floats(), hn::IfThenElse(special, not_finite, finite));
}

// n elements of one range; m2 is null but for ademamix; p is rounded to values of bf16 by `noise`,
// which may be read to the end of a vector behind n, unless null; adds to sums[3] unless null.
void optimizer_range(float* p, const float* grad, float* m, float* v, float* m2, int64_t n,
                     const ref::OptimizerScalars<float>& s, bool apply, const uint32_t* noise,
                     double* sums) {
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
      if (noise != nullptr) pv = rounded_to_bf16(pv, hn::LoadU(Words(), noise + i));
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

constexpr int64_t kChunk = 1024;  // elements that are rounded at a time
constexpr int64_t kLongestVector = 64;

void check(const OptimizerStep& step) {
  const int64_t n = step.param.cols;
  BALLAST_CHECK(step.grad.cols == n && step.m.cols == n && step.v.cols == n);
  BALLAST_CHECK(step.param.dtype == Dtype::f32);  // the compute type; it may hold values of bf16
  BALLAST_CHECK(step.m.dtype == step.v.dtype &&
                (step.m.dtype == Dtype::f32 || step.m.dtype == Dtype::bf16));
  const bool slow = step.kind == OptimizerKind::ademamix;
  BALLAST_CHECK(!slow || (step.m2.cols == n && step.m2.dtype == step.m.dtype));
  BALLAST_CHECK(step.ranges.empty() ||
                (step.ranges.front().begin >= 0 && step.ranges.back().end <= n));
}

// [begin, end) of a step that rounds states, weights or both: bf16 states are widened and used,
// then everything is rounded by the element's noise.
void update_rounded(const OptimizerStep& step, int64_t begin, int64_t end,
                    const ref::OptimizerScalars<float>& scalars, double* sums) {
  const bool narrow = step.m.dtype == Dtype::bf16, round_param = step.apply && step.round_param;
  const Tensor* states[3] = {&step.m, &step.v, &step.m2};
  const int count = step.kind == OptimizerKind::ademamix ? 3 : 2;
  float wide[3][kChunk];
  ref::RoundingNoise noise[kChunk];
  uint32_t param_noise[kChunk + kLongestVector] = {};
  for (int64_t at = begin; at < end; at += kChunk) {
    const int64_t n = std::min(kChunk, end - at);
    for (int64_t i = 0; step.apply && i < n; ++i) {
      noise[i] = ref::rounding_noise(step.rounding_seed, step.t, step.flat_begin + at + i);
      param_noise[i] = noise[i].param;
    }
    float* used[3] = {};
    for (int k = 0; k < count; ++k) {
      used[k] = narrow ? wide[k] : states[k]->as<float>() + at;
      for (int64_t i = 0; narrow && i < n; ++i)
        wide[k][i] = bf16_to_float(states[k]->as<uint16_t>()[at + i]);
    }
    HWY_DYNAMIC_DISPATCH(optimizer_range)
    (step.param.as<float>() + at, step.grad.as<float>() + at, used[0], used[1], used[2], n, scalars,
     step.apply, round_param ? param_noise : nullptr, sums);
    for (int64_t i = 0; step.apply && narrow && i < n; ++i) {
      const uint16_t of_state[3] = {noise[i].m, noise[i].v, noise[i].m2};
      for (int k = 0; k < count; ++k)
        states[k]->as<uint16_t>()[at + i] = float_to_bf16_stochastic(wide[k][i], of_state[k]);
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
  const bool rounds = step.m.dtype == Dtype::bf16 || step.round_param;
  pool_.parallel_for(n, kFlatBlock, [&](int64_t begin, int64_t end) {
    double* sums =
        step.block_sums.empty() ? nullptr : step.block_sums.row<double>(begin / kFlatBlock);
    if (sums != nullptr) std::fill_n(sums, 3, 0.0);
    for_ranges(step.ranges, begin, end, [&](size_t r, int64_t from, int64_t to) {
      if (rounds) return update_rounded(step, from, to, scalars[r], sums);
      HWY_DYNAMIC_DISPATCH(optimizer_range)
      (step.param.as<float>() + from, step.grad.as<float>() + from, step.m.as<float>() + from,
       step.v.as<float>() + from, slow == nullptr ? nullptr : slow + from, to - from, scalars[r],
       step.apply, nullptr, sums);
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
