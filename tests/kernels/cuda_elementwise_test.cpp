#include "kernels/ref/elementwise.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaElementwise : public DeviceOps {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaElementwise, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaElementwise);

TEST_P(CudaElementwise, AddAndScaleInPlace) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      OpValues a = random(s.rows, s.cols, 1), b = random(s.rows, s.cols, 2),
               y = empty(s.rows, s.cols);
      device().add(y.tensor(), a.tensor(), b.tensor());
      ref::add<double>(y.matrix(), a.matrix(), b.matrix());
      check(y, 1);
      device().add(a.tensor(), a.tensor(), b.tensor());
      ref::add<double>(a.matrix(), a.matrix(), b.matrix());
      check(a, 1);
      device().scale(b.tensor(), b.tensor(), -1.25f);
      ref::scale<double>(b.matrix(), b.matrix(), -1.25);
      check(b, 1);
    }
  });
}

TEST_P(CudaElementwise, CastBetweenTheTypes) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      for (const Dtype to : {Dtype::f32, Dtype::bf16}) {
        OpValues x = random(s.rows, s.cols, 1), y = empty(s.rows, s.cols, to);
        device().cast(y.tensor(), x.tensor());
        for (int64_t r = 0; r < s.rows; ++r) {
          for (int64_t c = 0; c < s.cols; ++c) y.matrix()(r, c) = x.matrix()(r, c);
        }
        check(y, 1);
      }
    }
  });
}

}  // namespace
}  // namespace ballast
