#include <iterator>
#include <limits>

#include "kernels/ref/xielu.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaActivation : public DeviceOps {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaActivation, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaActivation);

TEST_P(CudaActivation, SwigluAndItsBackward) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      OpValues x = random(s.rows, 2 * s.cols, 1), y = empty(s.rows, s.cols);
      device().activation(y.tensor(), x.tensor(), Activation::swiglu);
      ref::activation<double>(y.matrix(), x.matrix(), Activation::swiglu);
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(y, 1);
      OpValues dy = random(s.rows, s.cols, 2), dx = empty(s.rows, 2 * s.cols);
      device().activation_bwd(dx.tensor(), dy.tensor(), x.tensor(), Activation::swiglu);
      ref::activation_bwd<double>(dx.matrix(), dy.matrix(), x.matrix(), Activation::swiglu);
      check(dx, 1);
    }
  });
}

TEST_P(CudaActivation, GeluAndSquaredReluWithBackward) {
  everywhere([&] {
    for (const Activation kind : {Activation::gelu, Activation::squared_relu}) {
      for (const Shape& s : shapes()) {
        OpValues x = random(s.rows, s.cols, 1), y = empty(s.rows, s.cols);
        device().activation(y.tensor(), x.tensor(), kind);
        ref::activation<double>(y.matrix(), x.matrix(), kind);
        SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
        check(y, 1);
        OpValues dy = random(s.rows, s.cols, 2), dx = empty(s.rows, s.cols);
        device().activation_bwd(dx.tensor(), dy.tensor(), x.tensor(), kind);
        ref::activation_bwd<double>(dx.matrix(), dy.matrix(), x.matrix(), kind);
        check(dx, 1);
      }
    }
  });
}

// dalpha adds up terms of both signs, which leave a sum of this size; a thread adds at most 16 of
// them in f32, the rest is f64.
double size_of_dalpha(const OpValues& x) {
  return std::sqrt(static_cast<double>(x.rows() * x.cols()));
}
constexpr int64_t kTermsInF32 = 16;

TEST_P(CudaActivation, XieluAndItsBackward) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      // Slopes near 1, and a pair far out.
      for (const double p : {0.2, -30.0}) {
        OpValues alpha = empty(1, 2, Dtype::f32), dalpha = random_of(Dtype::f32, 1, 2, 1);
        alpha.fill([&](int64_t i) { return i == 0 ? p : 0.01 - p; });
        OpValues x = random(s.rows, s.cols, 2), y = empty(s.rows, s.cols);
        device().xielu(y.tensor(), x.tensor(), alpha.tensor());
        ref::xielu<double>(y.matrix(), x.matrix(), alpha.matrix());
        SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols << ", p = " << p);
        check(y, 1);
        OpValues dy = random(s.rows, s.cols, 3), dx = empty(s.rows, s.cols);
        device().xielu_bwd(dx.tensor(), dalpha.tensor(), dy.tensor(), x.tensor(), alpha.tensor());
        ref::xielu_bwd<double>(dx.matrix(), dalpha.matrix(), dy.matrix(), x.matrix(),
                               alpha.matrix());
        check(dx, 1, 1, 1);
        check(dalpha, kTermsInF32, 1, size_of_dalpha(x));
      }
    }
  });
}

// Ranges longer than a block holds at once; then, with rows apart from vectors, more sums than the
// block that adds them has threads.
TEST_P(CudaActivation, XieluInPlaceOverManyRows) {
  everywhere([&] {
    for (const Shape& s : {Shape{256 * 9 + 3, 8}, Shape{130 * 8, 40}}) {
      OpValues x = random(s.rows, s.cols, 1), dx = random(s.rows, s.cols, 2);
      OpValues alpha = constant(Dtype::f32, 1, 2, 0.3), dalpha = constant(Dtype::f32, 1, 2, 0);
      device().xielu_bwd(dx.tensor(), dalpha.tensor(), dx.tensor(), x.tensor(), alpha.tensor());
      ref::xielu_bwd<double>(dx.matrix(), dalpha.matrix(), dx.matrix(), x.matrix(), alpha.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(dx, 1);
      check(dalpha, kTermsInF32, 1, size_of_dalpha(x));
    }
  });
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kUnusual[] = {kInfinity, -kInfinity, kNaN, 0.0, -0.0, 100, -100, 1e10, -1e10};
constexpr int64_t kUnusualCount = std::size(kUnusual);

// A NaN must reach the loss, where the guard sees it; large values must not make one.
TEST_P(CudaActivation, NonFiniteAndLargeInputs) {
  everywhere([&] {
    for (const Activation kind : {Activation::swiglu, Activation::gelu, Activation::squared_relu}) {
      const int64_t width = kind == Activation::swiglu ? 32 : 16;
      OpValues x = empty(3, width), y = empty(3, 16), dx = empty(3, width);
      OpValues dy = constant(type(), 3, 16, 1);
      x.fill([&](int64_t i) { return i % width < kUnusualCount ? kUnusual[i % width] : 1.0; });
      device().activation(y.tensor(), x.tensor(), kind);
      device().activation_bwd(dx.tensor(), dy.tensor(), x.tensor(), kind);
      ref::activation<double>(y.matrix(), x.matrix(), kind);
      ref::activation_bwd<double>(dx.matrix(), dy.matrix(), x.matrix(), kind);
      SCOPED_TRACE(static_cast<int>(kind));
      check(y, 1);
      check(dx, 1);
    }
  });
}

TEST_P(CudaActivation, XieluOfNonFiniteAndLargeInputs) {
  everywhere([&] {
    OpValues x = empty(3, 16), y = empty(3, 16), dx = constant(type(), 3, 16, 1);
    OpValues alpha = constant(Dtype::f32, 1, 2, 0.3), dalpha = constant(Dtype::f32, 1, 2, 0);
    x.fill([&](int64_t i) { return i % 16 < kUnusualCount ? kUnusual[i % 16] : 1.0; });
    device().xielu(y.tensor(), x.tensor(), alpha.tensor());
    device().xielu_bwd(dx.tensor(), dalpha.tensor(), dx.tensor(), x.tensor(), alpha.tensor());
    ref::xielu<double>(y.matrix(), x.matrix(), alpha.matrix());
    ref::xielu_bwd<double>(dx.matrix(), dalpha.matrix(), dx.matrix(), x.matrix(), alpha.matrix());
    check(y, 1);
    check(dx, 1);
    check(dalpha, 48);
  });
}

}  // namespace
}  // namespace ballast
