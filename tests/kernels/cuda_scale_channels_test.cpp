#include "kernels/ref/scale_channels.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaScaleChannels : public DeviceOps {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaScaleChannels, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaScaleChannels);

TEST_P(CudaScaleChannels, InPlaceAndNot) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      OpValues x = random(s.rows, s.cols, 1), y = empty(s.rows, s.cols);
      OpValues gain = random_of(Dtype::f32, 1, s.cols, 2);
      device().scale_channels(y.tensor(), x.tensor(), gain.tensor());
      ref::scale_channels<double>(y.matrix(), x.matrix(), gain.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(y, 1);
      device().scale_channels(x.tensor(), x.tensor(), gain.tensor());
      ref::scale_channels<double>(x.matrix(), x.matrix(), gain.matrix());
      check(x, 1);
    }
  });
}

TEST_P(CudaScaleChannels, BackwardInPlaceAndNot) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      OpValues x = random(s.rows, s.cols, 1), dy = random(s.rows, s.cols, 2);
      OpValues gain = random_of(Dtype::f32, 1, s.cols, 3), dx = empty(s.rows, s.cols);
      OpValues dgain = random_of(Dtype::f32, 1, s.cols, 4);
      device().scale_channels_bwd(dx.tensor(), dgain.tensor(), dy.tensor(), x.tensor(),
                                  gain.tensor());
      ref::scale_channels_bwd<double>(dx.matrix(), dgain.matrix(), dy.matrix(), x.matrix(),
                                      gain.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(dx, 1);
      check(dgain, s.rows, 1, 1);
      device().scale_channels_bwd(dy.tensor(), dgain.tensor(), dy.tensor(), x.tensor(),
                                  gain.tensor());
      ref::scale_channels_bwd<double>(dy.matrix(), dgain.matrix(), dy.matrix(), x.matrix(),
                                      gain.matrix());
      check(dy, 1);
      check(dgain, s.rows, 1, 1);
    }
  });
}

// More rows than partial sums times the rows that a block holds at once.
TEST_P(CudaScaleChannels, ManyRowsPerPartialSum) {
  everywhere([&] {
    constexpr int64_t kRows = 256 * 40 + 3, kCols = 8;
    OpValues x = random(kRows, kCols, 1), dy = random(kRows, kCols, 2);
    OpValues gain = random_of(Dtype::f32, 1, kCols, 3), dx = empty(kRows, kCols);
    OpValues dgain = random_of(Dtype::f32, 1, kCols, 4);
    device().scale_channels_bwd(dx.tensor(), dgain.tensor(), dy.tensor(), x.tensor(),
                                gain.tensor());
    ref::scale_channels_bwd<double>(dx.matrix(), dgain.matrix(), dy.matrix(), x.matrix(),
                                    gain.matrix());
    check(dx, 1);
    check(dgain, kRows);
  });
}

}  // namespace
}  // namespace ballast
