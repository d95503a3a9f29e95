#include "libcore/precision/chunk.h"

#include "libcore/base/check.h"
#include "libcore/precision/half.h"

#include <bit>
#include <cmath>

// Highway compiles everything below once per vector unit and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libcore/precision/chunk.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kLanes = 16;  // partial sums, whatever the width of a vector
using Vector = hn::CappedTag<float, kLanes>;

// Constants of a format, and rounding of magnitudes to its grid.
template <class D>
struct Grid {
  using V = hn::Vec<D>;
  using DI = hn::RebindToUnsigned<D>;

  explicit Grid(const Fp8Limits& limits)
      : shift(23 - limits.mantissa_bits),
        max_finite(hn::Set(D(), limits.max_finite)),
        // With this bound "greater" is right for both kinds of tie.
        last_kept(hn::Set(D(), limits.tie_rounds_down ? limits.last_tie
                                                      : std::nextafterf(limits.last_tie, 0.0f))),
        min_normal(hn::Set(D(), limits.min_normal)),
        magic(hn::Set(D(), limits.min_subnormal * 0x1p23f)),
        round(hn::Set(DI(), (1u << (shift - 1)) - 1u)),
        keep(hn::Set(DI(), ~((1u << shift) - 1u))) {}

  // Finite magnitudes >= 0, saturating.
  V quantise(V magnitude) const {
    const DI di;
    const auto bits = hn::BitCast(di, magnitude);
    const auto odd = hn::And(hn::ShiftRightSame(bits, shift), hn::Set(di, 1u));
    const V normal = hn::BitCast(D(), hn::And(hn::Add(hn::Add(bits, round), odd), keep));
    const V subnormal = hn::Sub(hn::Add(magnitude, magic), magic);
    const V rounded = hn::IfThenElse(hn::Lt(magnitude, min_normal), subnormal, normal);
    return hn::Min(rounded, max_finite);
  }

  int shift;
  V max_finite, last_kept, min_normal, magic;
  hn::Vec<DI> round, keep;
};

double add_pairwise(const float* lanes) {
  double sums[kLanes];
  for (size_t i = 0; i < kLanes; ++i) sums[i] = static_cast<double>(lanes[i]);
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

template <class D, class M>
int64_t count(D d, M mask) {
  return static_cast<int64_t>(hn::CountTrue(d, mask));
}

ChunkError error_of_chunk(const float* values, float scale, Fp8Format format) {
  const Vector d;
  const size_t width = hn::Lanes(d);
  const Grid<Vector> grid(limits_of(format));
  const auto factor = hn::Set(d, scale);
  const auto zero = hn::Zero(d);
  const auto cap = hn::Set(d, 0x1p60f);
  const auto largest = hn::Set(d, hwy::HighestValue<float>());
  HWY_ALIGN float yy[kLanes], qy[kLanes], qq[kLanes], ee[kLanes];
  ChunkError out;
  for (size_t lane = 0; lane < kLanes; lane += width) {
    auto sum_yy = zero, sum_qy = zero, sum_qq = zero, sum_ee = zero;
    for (size_t i = lane; i < static_cast<size_t>(kChunk); i += kLanes) {
      const auto raw = hn::Abs(hn::LoadU(d, values + i));
      const auto finite = hn::Le(raw, largest);
      const auto x = hn::IfThenElseZero(finite, raw);
      // Only an unusable scale puts y anywhere near this cap, and the sums stay finite.
      const auto y = hn::Min(hn::Mul(x, factor), cap);
      const auto q = grid.quantise(y);
      const auto e = hn::Sub(q, y);
      sum_yy = hn::Add(sum_yy, hn::Mul(y, y));
      sum_qy = hn::Add(sum_qy, hn::Mul(q, y));
      sum_qq = hn::Add(sum_qq, hn::Mul(q, q));
      sum_ee = hn::Add(sum_ee, hn::Mul(e, e));
      const auto flushed = hn::Eq(q, zero);
      out.underflow += count(d, hn::And(hn::Gt(x, zero), flushed));
      out.subnormal += count(d, hn::AndNot(flushed, hn::Lt(q, grid.min_normal)));
      out.clip += count(d, hn::Gt(y, grid.last_kept));
      out.top += count(d, hn::Eq(q, grid.max_finite));
    }
    hn::StoreU(sum_yy, d, yy + lane);
    hn::StoreU(sum_qy, d, qy + lane);
    hn::StoreU(sum_qq, d, qq + lane);
    hn::StoreU(sum_ee, d, ee + lane);
  }
  out.yy = add_pairwise(yy);
  out.qy = add_pairwise(qy);
  out.qq = add_pairwise(qq);
  out.ee = add_pairwise(ee);
  return out;
}

uint32_t amax_of_chunk(const float* values) {
  const hn::CappedTag<uint32_t, kLanes> d;
  const auto mask = hn::Set(d, 0x7FFFFFFFu);
  auto best = hn::Zero(d);
  for (size_t i = 0; i < static_cast<size_t>(kChunk); i += hn::Lanes(d)) {
    const auto bits = hn::LoadU(d, reinterpret_cast<const uint32_t*>(values + i));
    best = hn::Max(best, hn::And(bits, mask));
  }
  return hn::GetLane(hn::MaxOfLanes(d, best));
}

uint32_t amin_of_chunk(const float* values) {
  const hn::CappedTag<uint32_t, kLanes> d;
  const auto mask = hn::Set(d, 0x7FFFFFFFu);
  auto best = mask;
  for (size_t i = 0; i < static_cast<size_t>(kChunk); i += hn::Lanes(d)) {
    const auto bits = hn::And(hn::LoadU(d, reinterpret_cast<const uint32_t*>(values + i)), mask);
    best = hn::Min(best, hn::IfThenElse(hn::Eq(bits, hn::Zero(d)), mask, bits));
  }
  return hn::GetLane(hn::MinOfLanes(d, best));
}

void encode_many(const float* values, size_t n, float scale, Fp8Format format, uint8_t* codes) {
  const Vector d;
  const hn::RebindToUnsigned<Vector> du;
  const hn::Rebind<uint8_t, Vector> d8;
  const Fp8Limits& limits = limits_of(format);
  const Grid<Vector> grid(limits);
  const int m = limits.mantissa_bits;
  const auto rebias = hn::Set(du, static_cast<uint32_t>(127 - limits.bias) << m);
  const auto magic_bits = hn::BitCast(du, grid.magic);
  const size_t width = hn::Lanes(d);
  size_t i = 0;
  for (; i + width <= n; i += width) {
    const auto y = hn::Mul(hn::LoadU(d, values + i), hn::Set(d, scale));
    const auto magnitude = hn::Abs(y);
    const auto sign = hn::ShiftLeft<7>(hn::ShiftRight<31>(hn::BitCast(du, y)));
    const auto q = grid.quantise(magnitude);
    const auto normal = hn::Sub(hn::ShiftRightSame(hn::BitCast(du, q), grid.shift), rebias);
    const auto subnormal = hn::Sub(hn::BitCast(du, hn::Add(magnitude, grid.magic)), magic_bits);
    auto code =
        hn::IfThenElse(hn::RebindMask(du, hn::Lt(magnitude, grid.min_normal)), subnormal, normal);
    code = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(y)), hn::Set(du, 0x7Fu), code);
    hn::StoreU(hn::U8FromU32(hn::Or(code, sign)), d8, codes + i);
  }
  for (; i < n; ++i) codes[i] = encode_fp8(values[i] * scale, format);
}

void widen_many(const uint16_t* from, int64_t n, float* to) {
  const Vector d;
  const hn::RebindToUnsigned<Vector> du;
  const hn::Rebind<uint16_t, Vector> dh;
  const int64_t width = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(dh, from + i)));
    hn::StoreU(hn::BitCast(d, bits), d, to + i);
  }
  for (; i < n; ++i) to[i] = bf16_to_float(from[i]);
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {

HWY_EXPORT(error_of_chunk);
HWY_EXPORT(amax_of_chunk);
HWY_EXPORT(amin_of_chunk);
HWY_EXPORT(encode_many);
HWY_EXPORT(widen_many);
HWY_EXPORT(target_name);

ChunkError chunk_error(const float* values, float scale, Fp8Format format) {
  return HWY_DYNAMIC_DISPATCH(error_of_chunk)(values, scale, format);
}
uint32_t chunk_amax_bits(const float* values) {
  return HWY_DYNAMIC_DISPATCH(amax_of_chunk)(values);
}
uint32_t chunk_amin_bits(const float* values) {
  return HWY_DYNAMIC_DISPATCH(amin_of_chunk)(values);
}
void widen_bf16(const uint16_t* from, int64_t n, float* to) {
  HWY_DYNAMIC_DISPATCH(widen_many)(from, n, to);
}
const char* chunk_target() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

void encode_fp8(std::span<const float> values, float scale, Fp8Format format,
                std::span<uint8_t> codes) {
  BALLAST_CHECK(codes.size() == values.size());
  HWY_DYNAMIC_DISPATCH(encode_many)(values.data(), values.size(), scale, format, codes.data());
}

}  // namespace ballast
#endif  // HWY_ONCE
