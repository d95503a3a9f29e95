#include "kernels/ref/norm.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

constexpr float kEps = 1e-5f;

class CudaNorm : public DeviceOps {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaNorm, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaNorm);

TEST_P(CudaNorm, RowsAndHeads) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      for (const int64_t groups : {1, 3}) {
        OpValues x = random(s.rows, groups * s.cols, 1), y = empty(s.rows, groups * s.cols);
        OpValues w = random_of(Dtype::f32, 1, s.cols, 2);
        OpValues rstd = empty(1, s.rows * groups, Dtype::f32);
        device().norm(y.tensor(), rstd.tensor(), x.tensor(), w.tensor(), kEps);
        ref::norm<double>(y.matrix(), rstd.matrix(), x.matrix(), w.matrix(), kEps);
        SCOPED_TRACE(testing::Message() << s.rows << " x " << groups << " x " << s.cols);
        check(y, s.cols);
        check(rstd, s.cols);
      }
    }
  });
}

TEST_P(CudaNorm, OfASumInPlace) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      OpValues x = random(s.rows, s.cols, 1), branch = random(s.rows, s.cols, 2);
      OpValues w = random_of(Dtype::f32, 1, s.cols, 3), y = empty(s.rows, s.cols);
      OpValues rstd = empty(1, s.rows, Dtype::f32);
      device().add_norm(y.tensor(), rstd.tensor(), x.tensor(), x.tensor(), branch.tensor(),
                        w.tensor(), kEps);
      ref::add_norm<double>(y.matrix(), rstd.matrix(), x.matrix(), x.matrix(), branch.matrix(),
                            w.matrix(), kEps);
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(x, 1);
      check(y, s.cols, 2);  // of the sum, and of the result
      // Of the rounded sum, each term of which may be off by 2^-8: as 8 2^-24 sqrt(2^26) is.
      check(rstd, type() == Dtype::bf16 ? int64_t{1} << 26 : s.cols);
    }
  });
}

TEST_P(CudaNorm, BackwardInPlace) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      OpValues x = random(s.rows, s.cols, 1), w = random_of(Dtype::f32, 1, s.cols, 2);
      OpValues dx = random(s.rows, s.cols, 3), dw = random_of(Dtype::f32, 1, s.cols, 4);
      OpValues rstd = random_of(Dtype::f32, 1, s.rows, 5);
      device().norm_bwd(dx.tensor(), dw.tensor(), dx.tensor(), x.tensor(), w.tensor(),
                        rstd.tensor());
      ref::norm_bwd<double>(dx.matrix(), dw.matrix(), dx.matrix(), x.matrix(), w.matrix(),
                            rstd.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(dx, s.cols, 1, 0.1);
      check(dw, s.rows);
    }
  });
}

TEST_P(CudaNorm, LayerNormAndItsBackward) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      OpValues x = random(s.rows, s.cols, 1), w = random_of(Dtype::f32, 1, s.cols, 2);
      OpValues bias = random_of(Dtype::f32, 1, s.cols, 3), y = empty(s.rows, s.cols);
      OpValues mean = empty(1, s.rows, Dtype::f32), rstd = empty(1, s.rows, Dtype::f32);
      device().layer_norm(y.tensor(), mean.tensor(), rstd.tensor(), x.tensor(), w.tensor(),
                          bias.tensor(), kEps);
      ref::layer_norm<double>(y.matrix(), mean.matrix(), rstd.matrix(), x.matrix(), w.matrix(),
                              bias.matrix(), kEps);
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      const double cancel = s.cols == 1 ? 1e3 : 1;  // a run of one element is its own mean
      check(y, s.cols, 1, cancel);
      check(mean, s.cols, 1, 1);
      OpValues dx = random(s.rows, s.cols, 4), dw = random_of(Dtype::f32, 1, s.cols, 5);
      OpValues dbias = random_of(Dtype::f32, 1, s.cols, 6);
      OpValues given_mean = random_of(Dtype::f32, 1, s.rows, 7, 0.1);
      OpValues given_rstd = random_of(Dtype::f32, 1, s.rows, 8);
      device().layer_norm_bwd(dx.tensor(), dw.tensor(), dbias.tensor(), dx.tensor(), x.tensor(),
                              w.tensor(), given_mean.tensor(), given_rstd.tensor());
      ref::layer_norm_bwd<double>(dx.matrix(), dw.matrix(), dbias.matrix(), dx.matrix(), x.matrix(),
                                  w.matrix(), given_mean.matrix(), given_rstd.matrix());
      check(dx, s.cols, 1, 1);
      check(dw, s.rows);
      check(dbias, s.rows);
    }
  });
}

}  // namespace
}  // namespace ballast
