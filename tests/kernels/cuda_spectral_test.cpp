#include "kernels/ref/spectral.h"

#include <algorithm>

#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaSpectral : public DeviceOps {
 protected:
  // A matrix of weights with unit vectors at both ends.
  struct Matrix {
    OpValues w, gain, u, v;
  };
  Dtype weights_of(const Shape& s) const { return s.rows % 2 == 0 ? type() : Dtype::f32; }
  // Weights are f32 or of the type of activations.
  Matrix matrix(int64_t rows, int64_t cols, Dtype weights) {
    return {random_of(weights, rows, cols, 1), constant(Dtype::f32, 1, 1, 1.5),
            random_of(Dtype::f32, 1, cols, 2, 1 / std::sqrt(static_cast<double>(cols))),
            random_of(Dtype::f32, 1, rows, 3, 1 / std::sqrt(static_cast<double>(rows)))};
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, CudaSpectral, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaSpectral);

TEST_P(CudaSpectral, PowerIteration) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      Matrix m = matrix(s.rows, s.cols, weights_of(s));
      device().power_iteration(m.u.tensor(), m.v.tensor(), m.w.tensor());
      ref::power_iteration<double>(m.u.matrix(), m.v.matrix(), m.w.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(m.v, s.rows + s.cols);  // of a product, divided by the norm of it
      check(m.u, s.rows + s.cols);
    }
  });
}

TEST_P(CudaSpectral, AZeroVectorStaysOne) {
  everywhere([&] {
    Matrix m = matrix(3, 5, Dtype::f32);
    m.w.fill([](int64_t) { return 0.0; });
    device().power_iteration(m.u.tensor(), m.v.tensor(), m.w.tensor());
    for (const double x : m.u.download()) EXPECT_EQ(x, 0);
    for (const double x : m.v.download()) EXPECT_EQ(x, 0);
  });
}

// After iterations in double, as in training: sigma is then no difference of large terms.
TEST_P(CudaSpectral, ScaleOfActivationsType) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      Matrix m = matrix(s.rows, s.cols, weights_of(s));
      for (int i = 0; i < 2; ++i)
        ref::power_iteration<double>(m.u.matrix(), m.v.matrix(), m.w.matrix());
      const std::vector<double> u = m.u.wanted(), v = m.v.wanted();
      m.u.fill([&](int64_t i) { return u[static_cast<size_t>(i)]; });
      m.v.fill([&](int64_t i) { return v[static_cast<size_t>(i)]; });
      OpValues hat = empty(s.rows, s.cols), sigma = empty(1, 1, Dtype::f32);
      device().spectral_scale(hat.tensor(), sigma.tensor(), m.w.tensor(), m.gain.tensor(),
                              m.u.tensor(), m.v.tensor());
      ref::spectral_scale<double>(hat.matrix(), sigma.matrix(), m.w.matrix(), m.gain.matrix(),
                                  m.u.matrix(), m.v.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(sigma, s.cols);
      check(hat, s.cols);
    }
  });
}

TEST_P(CudaSpectral, BackwardAccumulates) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      Matrix m = matrix(s.rows, s.cols, weights_of(s));
      OpValues dhat = random_of(Dtype::f32, s.rows, s.cols, 4);
      OpValues dw = random_of(Dtype::f32, s.rows, s.cols, 5);
      OpValues dgain = constant(Dtype::f32, 1, 1, 0.25), sigma = constant(Dtype::f32, 1, 1, 3.25);
      device().spectral_scale_bwd(dw.tensor(), dgain.tensor(), dhat.tensor(), m.w.tensor(),
                                  m.gain.tensor(), sigma.tensor(), m.u.tensor(), m.v.tensor());
      ref::spectral_scale_bwd<double>(dw.matrix(), dgain.matrix(), dhat.matrix(), m.w.matrix(),
                                      m.gain.matrix(), sigma.matrix(), m.u.matrix(), m.v.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      // <dhat, w> is a sum of rows * cols terms of any sign: as large as the root of that.
      const int64_t terms = s.rows * s.cols;
      check(dgain, s.cols, 1, std::sqrt(static_cast<double>(terms)));
      check(dw, s.cols);
    }
  });
}

}  // namespace
}  // namespace ballast
