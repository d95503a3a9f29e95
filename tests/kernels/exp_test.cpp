// The vector exp, sigmoid and tanh against libm in double, on the best target of this machine.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/exp_test.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// kind 0: exp, 1: sigmoid, 2: tanh.
void apply(float* y, const float* x, int64_t n, int kind) {
  for (int64_t i = 0; i < n; i += lanes()) {
    const Vector v = load_up_to(x + i, n - i);
    const Vector result = kind == 0 ? exp_of(v) : kind == 1 ? sigmoid_of(v) : tanh_of(v);
    store_up_to(result, y + i, n - i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(apply);
namespace {

std::vector<float> applied(const std::vector<float>& x, int kind) {
  std::vector<float> y(x.size());
  HWY_DYNAMIC_DISPATCH(apply)(y.data(), x.data(), static_cast<int64_t>(x.size()), kind);
  return y;
}

std::vector<float> range(double low, double high) {
  constexpr int kPoints = 1000003;
  std::vector<float> x(kPoints);
  for (int i = 0; i < kPoints; ++i) {
    x[static_cast<size_t>(i)] = static_cast<float>(low + (high - low) * i / (kPoints - 1));
  }
  return x;
}

TEST(VectorExp, RelativeErrorIsWithinTheStatedBound) {
  const std::vector<float> x = range(-87.3, 88.3), y = applied(x, 0);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double wanted = std::exp(static_cast<double>(x[i]));
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - wanted) / wanted);
  }
  EXPECT_LE(worst, 0x1p-23);
}

TEST(VectorExp, EndsOfTheRange) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> y = applied({-kInfinity, -1e30f, -88.0f, kInfinity, 1e30f, 89.0f, 0.0f,
                                        -0.0f, std::numeric_limits<float>::quiet_NaN()},
                                       0);
  for (const size_t i : {0, 1, 2}) EXPECT_EQ(y[i], 0) << i;
  for (const size_t i : {3, 4, 5}) EXPECT_EQ(y[i], kInfinity) << i;
  for (const size_t i : {6, 7}) EXPECT_EQ(y[i], 1) << i;
  EXPECT_TRUE(std::isnan(y[8]));
}

TEST(VectorSigmoid, RelativeErrorAndEnds) {
  const std::vector<float> x = range(-80, 80), y = applied(x, 1);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double wanted = 1 / (1 + std::exp(-static_cast<double>(x[i])));
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - wanted) / wanted);
  }
  EXPECT_LE(worst, 0x1.8p-22);
  const std::vector<float> ends = applied({-1e30f, 1e30f, std::nanf("")}, 1);
  EXPECT_EQ(ends[0], 0);
  EXPECT_EQ(ends[1], 1);
  EXPECT_TRUE(std::isnan(ends[2]));
}

TEST(VectorTanh, AbsoluteErrorIsWithinTheStatedBound) {
  const std::vector<float> x = range(-50, 50), y = applied(x, 2);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    worst =
        std::max(worst, std::abs(static_cast<double>(y[i]) - std::tanh(static_cast<double>(x[i]))));
  }
  EXPECT_LE(worst, 0x1p-22);
}

}  // namespace
}  // namespace ballast
#endif  // HWY_ONCE
