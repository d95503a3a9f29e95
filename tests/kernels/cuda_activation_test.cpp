#include <limits>

#include "kernels/ref/activation.h"
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

// A NaN must reach the loss, where the guard sees it; large values must not make one.
TEST_P(CudaActivation, NonFiniteAndLargeInputs) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double values[] = {kInfinity, -kInfinity, std::nan(""), 0.0, -0.0, 100, -100, 1e10, -1e10};
  everywhere([&] {
    for (const Activation kind : {Activation::swiglu, Activation::gelu, Activation::squared_relu}) {
      const int64_t width = kind == Activation::swiglu ? 32 : 16;
      OpValues x = empty(3, width), y = empty(3, 16), dx = empty(3, width);
      OpValues dy = constant(type(), 3, 16, 1);
      x.fill([&](int64_t i) { return i % width < 9 ? values[i % width] : 1.0; });
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

}  // namespace
}  // namespace ballast
