// Statistics and block norms; sums in double, in an order fixed by the shape.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/stats.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd-inl.h"
#include "kernels/ref/stats.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// Adds the statistics of n values to out, in the columns of stats().
void stats_row(double* out, const float* x, int64_t n) {
  const Floats d;
  const DoubleTag dd;
  const Vector infinity = hn::Set(d, std::numeric_limits<float>::infinity()), zero = hn::Zero(d);
  Doubles squares = hn::Zero(dd), fourths = hn::Zero(dd);
  Vector top = zero;
  int64_t finite_count = 0, zeros = 0;
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i, padding = std::max<int64_t>(0, lanes() - left);
    const Vector v = load_up_to(x + i, left), magnitude = hn::Abs(v);
    const auto finite = hn::Lt(magnitude, infinity);  // false for NaN
    finite_count += static_cast<int64_t>(hn::CountTrue(d, finite)) - padding;
    zeros += static_cast<int64_t>(hn::CountTrue(d, hn::Eq(v, zero))) - padding;
    const Vector kept = hn::IfThenElseZero(finite, magnitude);
    top = hn::Max(top, kept);
    const Doubles low = low_doubles(kept);
    const Doubles high = high_doubles(kept);
    const Doubles low2 = hn::Mul(low, low), high2 = hn::Mul(high, high);
    squares = hn::Add(squares, hn::Add(low2, high2));
    fourths = hn::MulAdd(high2, high2, hn::MulAdd(low2, low2, fourths));
  }
  out[0] += sum_of_doubles(squares);
  out[1] += sum_of_doubles(fourths);
  out[2] = std::max(out[2], static_cast<double>(max_of(top)));
  out[3] += static_cast<double>(n - finite_count);
  out[4] += static_cast<double>(zeros);
}

double sum_of_squares(const float* x, int64_t n) {
  const DoubleTag dd;
  Doubles low = hn::Zero(dd), high = hn::Zero(dd);
  for (int64_t i = 0; i < n; i += lanes()) {
    const Vector v = load_up_to(x + i, n - i);
    const Doubles a = low_doubles(v);
    const Doubles b = high_doubles(v);
    low = hn::MulAdd(a, a, low);
    high = hn::MulAdd(b, b, high);
  }
  return sum_of_doubles(hn::Add(low, high));
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(stats_row);
HWY_EXPORT(sum_of_squares);

void CpuBackend::stats(const Tensor& out, const Tensor& x) {
  BALLAST_CHECK(out.dtype == Dtype::f64 && out.cols == kStatsCols);
  const int64_t grain = chunk_of(x.rows, x.cols), chunks = (x.rows + grain - 1) / grain;
  std::vector<double> partials(static_cast<size_t>(chunks * kStatsCols));
  pool_.parallel_for(x.rows, grain, [&](int64_t begin, int64_t end) {
    double* partial = partials.data() + begin / grain * kStatsCols;
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(stats_row)(partial, x.row<float>(n), x.cols);
    }
  });
  double* sums = out.as<double>();
  std::fill_n(sums, kStatsCols, 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const double* partial = partials.data() + chunk * kStatsCols;
    for (const int64_t column : {0, 1, 3, 4}) sums[column] += partial[column];
    sums[2] = std::max(sums[2], partial[2]);
  }
}

void CpuBackend::norm_blocks(const Tensor& out, const Tensor& x) {
  BALLAST_CHECK(out.dtype == Dtype::f64 && out.cols == (x.cols + kFlatBlock - 1) / kFlatBlock);
  pool_.parallel_for(x.cols, kFlatBlock, [&](int64_t begin, int64_t end) {
    out.as<double>()[begin / kFlatBlock] =
        HWY_DYNAMIC_DISPATCH(sum_of_squares)(x.as<float>() + begin, end - begin);
  });
}

}  // namespace ballast
#endif  // HWY_ONCE
