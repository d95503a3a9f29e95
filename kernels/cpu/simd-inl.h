// Vector helpers shared by the kernels of this folder; compiled once per target (Highway's -inl.h
// pattern). Tails go through a small buffer, so nothing is read or written past the end.
#if defined(BALLAST_KERNELS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BALLAST_KERNELS_CPU_SIMD_INL_H_
#undef BALLAST_KERNELS_CPU_SIMD_INL_H_
#else
#define BALLAST_KERNELS_CPU_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(Floats())); }

// The first `count` <= lanes() floats at p, zeros behind them.
HWY_INLINE Vector load_first(const float* p, int64_t count) {
  HWY_ALIGN float buffer[hn::MaxLanes(Floats())] = {};
  if (count < 0) __builtin_unreachable();  // g++ 12 takes it for possible and warns
  std::memcpy(buffer, p, static_cast<size_t>(count) * sizeof(float));
  return hn::Load(Floats(), buffer);
}
HWY_INLINE void store_first(Vector v, float* p, int64_t count) {
  HWY_ALIGN float buffer[hn::MaxLanes(Floats())];
  hn::Store(v, Floats(), buffer);
  if (count < 0) __builtin_unreachable();
  std::memcpy(p, buffer, static_cast<size_t>(count) * sizeof(float));
}

// A vector at p when `left` elements reach that far, else the first ones.
HWY_INLINE Vector load_up_to(const float* p, int64_t left) {
  return HWY_LIKELY(left >= lanes()) ? hn::LoadU(Floats(), p) : load_first(p, left);
}
HWY_INLINE void store_up_to(Vector v, float* p, int64_t left) {
  if (HWY_LIKELY(left >= lanes())) {
    hn::StoreU(v, Floats(), p);
  } else {
    store_first(v, p, left);
  }
}

HWY_INLINE float sum_of(Vector v) { return hn::GetLane(hn::SumOfLanes(Floats(), v)); }
HWY_INLINE float max_of(Vector v) { return hn::GetLane(hn::MaxOfLanes(Floats(), v)); }

// e^x = 2^n e^r with n = round(x / ln 2), r = x - n ln 2 (ln 2 in two parts) and
//   e^r = 1 + r + r^2 q(r), q the degree-4 interpolation of (e^r - 1 - r) / r^2 at Chebyshev
//   points.
// Gives e^r - 1 and 2^n.
HWY_INLINE void split_exp(Vector x, Vector& minus_one, Vector& power) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  // The constant first: Max and Min return the second operand when one is NaN on x86.
  const Vector clamped = hn::Min(hn::Set(d, 89.0f), hn::Max(hn::Set(d, -88.0f), x));
  const auto n = hn::NearestInt(hn::Mul(clamped, hn::Set(d, 1.44269504f)));
  const Vector nf = hn::ConvertTo(d, n);
  const Vector r = hn::NegMulAdd(nf, hn::Set(d, 0.00174093060f),
                                 hn::NegMulAdd(nf, hn::Set(d, 0.69140625f), clamped));
  Vector q = hn::MulAdd(hn::Set(d, 0.00139261759f), r, hn::Set(d, 0.00836317334f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.0416665561f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.166665778f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.5f));
  minus_one = hn::MulAdd(hn::Mul(r, r), q, r);
  power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
}

// Relative error at most 2^-23 for x in [-87.3, 88.3] (a test measures it); 0 below -87.7, infinity
// above 88.4, NaN for NaN.
HWY_INLINE Vector exp_of(Vector x) {
  Vector minus_one, power;
  split_exp(x, minus_one, power);
  return hn::Mul(hn::Add(minus_one, hn::Set(Floats(), 1.0f)), power);
}

// e^x - 1 as 2^n (e^r - 1) + (2^n - 1), which keeps its digits near 0.
HWY_INLINE Vector expm1_of(Vector x) {
  Vector minus_one, power;
  split_exp(x, minus_one, power);
  return hn::MulAdd(power, minus_one, hn::Sub(power, hn::Set(Floats(), 1.0f)));
}

HWY_INLINE Vector sigmoid_of(Vector x) {
  const Vector one = hn::Set(Floats(), 1.0f);
  return hn::Div(one, hn::Add(one, exp_of(hn::Neg(x))));
}

// Absolute error at most 2^-22.
HWY_INLINE Vector tanh_of(Vector x) {
  const Vector two = hn::Set(Floats(), 2.0f), one = hn::Set(Floats(), 1.0f);
  return hn::Sub(one, hn::Div(two, hn::Add(one, exp_of(hn::Mul(two, x)))));
}

// The lanes of a vector as doubles: two halves, of which a one-lane target fills only the first.
#if HWY_TARGET == HWY_SCALAR
using DoubleTag = hn::Rebind<double, Floats>;
#else
using DoubleTag = hn::Repartition<double, Floats>;
#endif
using Doubles = hn::Vec<DoubleTag>;
HWY_INLINE Doubles low_doubles(Vector v) {
#if HWY_TARGET == HWY_SCALAR
  return hn::PromoteTo(DoubleTag(), v);
#else
  return hn::PromoteTo(DoubleTag(), hn::LowerHalf(hn::Half<Floats>(), v));
#endif
}
HWY_INLINE Doubles high_doubles([[maybe_unused]] Vector v) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Zero(DoubleTag());
#else
  return hn::PromoteTo(DoubleTag(), hn::UpperHalf(hn::Half<Floats>(), v));
#endif
}
HWY_INLINE double sum_of_doubles(Doubles v) { return hn::GetLane(hn::SumOfLanes(DoubleTag(), v)); }

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#endif  // BALLAST_KERNELS_CPU_SIMD_INL_H_
