#include "kernels/ref/gemm.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaGemm : public DeviceOps {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaGemm, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaGemm);

struct Case {
  int64_t m, n, k;
};
const Case kCases[] = {{1, 1, 1}, {3, 5, 7}, {16, 24, 40}, {65, 33, 17}, {8, 16, 300}};

TEST_P(CudaGemm, AllLayoutsAndFactors) {
  everywhere([&] {
    for (const Case& s : kCases) {
      for (const bool ta : {false, true}) {
        for (const bool tb : {false, true}) {
          for (const float beta : {0.0f, 1.0f, -0.5f}) {
            OpValues a = ta ? random(s.k, s.m, 1) : random(s.m, s.k, 1);
            OpValues b = tb ? random(s.n, s.k, 2) : random(s.k, s.n, 2);
            OpValues c = random(s.m, s.n, 3), d = empty(s.m, s.n);
            const Tensor c_tensor = c.tensor();
            device().gemm(d.tensor(), a.tensor(), b.tensor(),
                          {.transpose_a = ta,
                           .transpose_b = tb,
                           .alpha = 0.75f,
                           .beta = beta,
                           .c = &c_tensor});
            ref::gemm<double>(d.matrix(), a.matrix(), b.matrix(), ta, tb, 0.75,
                              static_cast<double>(beta), c.matrix());
            SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k << " " << ta
                                            << tb << " beta " << beta);
            check(d, s.k);
          }
        }
      }
    }
  });
}

// Gradients of weights are f32 whatever the activations are, and accumulate in place.
TEST_P(CudaGemm, GradientsOfWeightsAddUpInF32) {
  everywhere([&] {
    for (const Case& s : kCases) {
      OpValues dy = random(s.k, s.m, 1), x = random(s.k, s.n, 2);
      OpValues dw = random_of(Dtype::f32, s.m, s.n, 3);
      device().gemm(dw.tensor(), dy.tensor(), x.tensor(), {.transpose_a = true, .beta = 1.0f});
      ref::gemm<double>(dw.matrix(), dy.matrix(), x.matrix(), true, false, 1, 1, dw.matrix());
      SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k);
      check(dw, s.k);
    }
  });
}

// Weights of the type of activations are read where they lie, whatever they were prepared for.
TEST_P(CudaGemm, WeightsOfTheTypeOfActivationsNeedNoCopy) {
  everywhere([&] {
    OpValues x = random(12, 40, 1), w = random(24, 40, 2), y = empty(12, 24);
    device().prepare(w.tensor());
    for (const double factor : {1.0, 2.0}) {
      const std::vector<double> before = w.wanted();
      w.fill([&](int64_t i) { return factor * before[static_cast<size_t>(i)]; });
      device().gemm(y.tensor(), x.tensor(), w.tensor(), {.transpose_b = true, .b_is_weight = true});
      ref::gemm<double>(y.matrix(), x.matrix(), w.matrix(), false, true, 1, 0, y.matrix());
      check(y, 40);
    }
  });
}

// With bf16 activations and weights in f32 a product reads a rounded copy, made anew after
// prepare().
TEST_P(CudaGemm, WeightsAreReadAsPrepared) {
  everywhere([&] {
    OpValues x = random(12, 40, 1), w = random_of(Dtype::f32, 24, 40, 2), y = empty(12, 24);
    OpValues back = empty(12, 40);
    for (const uint64_t seed : {5, 6}) {
      // Values that bf16 holds: the copy's rounding is not what is tested here.
      OpValues exact = random_of(Dtype::bf16, 24, 40, seed);
      w.fill([&](int64_t i) { return exact.matrix()(i / 40, i % 40); });
      device().prepare(w.tensor());
      device().gemm(y.tensor(), x.tensor(), w.tensor(), {.transpose_b = true, .b_is_weight = true});
      ref::gemm<double>(y.matrix(), x.matrix(), w.matrix(), false, true, 1, 0, y.matrix());
      check(y, 40);
      OpValues dy = random(12, 24, 7);
      device().gemm(back.tensor(), dy.tensor(), w.tensor(), {.b_is_weight = true});
      ref::gemm<double>(back.matrix(), dy.matrix(), w.matrix(), false, false, 1, 0, back.matrix());
      check(back, 24);
    }
  });
}

TEST_P(CudaGemm, TimesAVector) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      for (const bool transpose : {false, true}) {
        OpValues a = random(s.rows, s.cols, 1);
        OpValues x = random_of(Dtype::f32, 1, transpose ? s.rows : s.cols, 2);
        OpValues y = empty(1, transpose ? s.cols : s.rows, Dtype::f32);
        device().gemv(y.tensor(), a.tensor(), x.tensor(), transpose);
        ref::gemv<double>(y.matrix(), a.matrix(), x.matrix(), transpose);
        SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols << " " << transpose);
        check(y, transpose ? s.rows : s.cols);
      }
    }
  });
}

}  // namespace
}  // namespace ballast
