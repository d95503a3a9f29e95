#include "kernels/ref/xent.h"

#include <limits>

#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

class CudaXent : public DeviceOps {
 protected:
  // Logits on both sides, loss and lse; labels and weights are the test's.
  struct Chunk {
    OpValues logits, loss, lse, weight;
    Integers labels;
    int64_t vocab;
  };
  Chunk chunk(int64_t rows, int64_t vocab, int64_t padding) {
    const auto size = static_cast<size_t>(rows);
    Chunk c{random(rows, vocab + padding, 1, 4),
            empty(1, rows, Dtype::f32),
            empty(1, rows, Dtype::f32),
            random_of(Dtype::f32, 1, rows, 2),
            {1, rows, std::vector<int32_t>(size)},
            vocab};
    for (size_t n = 0; n < size; ++n) c.labels.data[n] = static_cast<int32_t>(n) * 7 % int(vocab);
    return c;
  }
  void run(Chunk& c, float z_loss, bool gradient) {
    const OpValues labels = integers(c.labels);
    device().xent_chunk(c.loss.tensor(), c.lse.tensor(), c.logits.tensor(), labels.tensor(),
                        c.weight.tensor(), c.vocab, z_loss, gradient);
    ref::xent_chunk<double>(c.loss.matrix(), c.lse.matrix(), c.logits.matrix(), c.labels.matrix(),
                            c.weight.matrix(), c.vocab, static_cast<double>(z_loss), gradient);
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, CudaXent, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaXent);

// A third of the rows count nothing: a label that is no token and logits that are no numbers must
// not matter there; nor what stands in columns of padding.
TEST_P(CudaXent, LossLseAndGradient) {
  everywhere([&] {
    struct Case {
      int64_t rows, vocab, padding;
    };
    for (const Case& k : {Case{1, 1, 0}, Case{3, 5, 3}, Case{5, 1021, 3}, Case{4, 9000, 56}}) {
      for (const bool gradient : {false, true}) {
        Chunk c = chunk(k.rows, k.vocab, k.padding);
        const std::vector<double> given = c.logits.wanted(), weights = c.weight.wanted();
        const int64_t cols = k.vocab + k.padding;
        c.logits.fill([&](int64_t i) {
          const bool nan = i % cols >= k.vocab || (i / cols % 3 == 2 && i % cols == 0);
          return nan ? kNan : given[static_cast<size_t>(i)];
        });
        c.weight.fill([&](int64_t n) { return n % 3 == 2 ? 0 : weights[static_cast<size_t>(n)]; });
        for (size_t n = 2; n < c.labels.data.size(); n += 3) c.labels.data[n] = -1;
        run(c, 1e-2f, gradient);
        SCOPED_TRACE(testing::Message() << k.rows << " x " << k.vocab << (gradient ? " dz" : ""));
        check(c.loss, k.vocab, 1, 1);
        check(c.lse, k.vocab, 1, 1);
        check(c.logits, k.vocab, 1, gradient ? 1 : 0);  // softmax - onehot cancels
      }
    }
  });
}

// The maximum comes last, so that every thread has to scale what it has summed; the terms before it
// vanish or overflow where they are not.
TEST_P(CudaXent, RisingLogits) {
  everywhere([&] {
    Chunk c = chunk(2, 2000, 0);
    c.logits.fill([&](int64_t i) { return static_cast<double>(i % 2000 / 8 - 500); });
    run(c, 0, true);
    check(c.loss, 2000);
    check(c.lse, 2000);
    check(c.logits, 2000, 1, 1);
  });
}

TEST_P(CudaXent, NonFiniteLogitsReachLossAndLse) {
  everywhere([&] {
    for (const int64_t at : {0, 700, 1533}) {
      Chunk c = chunk(6, 1534, 2);
      const std::vector<double> given = c.logits.wanted();
      constexpr double kSpecial[] = {kInfinity, -kInfinity};
      c.logits.fill([&](int64_t i) {
        const int64_t row = i / 1536;
        if (row == 3) return -kInfinity;
        if (i % 1536 != at || row == 4) return given[static_cast<size_t>(i)];
        return row == 5 ? 1e30 : row == 2 ? kNan : kSpecial[row];
      });
      run(c, 1e-3f, true);
      SCOPED_TRACE(at);
      for (const size_t row : {0, 2, 3}) {
        EXPECT_TRUE(std::isnan(c.loss.wanted()[row]) && std::isnan(c.lse.wanted()[row]));
      }
      // Each row alone: they differ in size by 30 powers of ten.
      const std::vector<double> loss = c.loss.download(), lse = c.lse.download();
      for (size_t row = 0; row < 6; ++row) {
        const double bound = 8 * kUnitRoundoff * std::sqrt(1534);
        const double wanted_loss = c.loss.wanted()[row], wanted_lse = c.lse.wanted()[row];
        EXPECT_EQ(std::isnan(loss[row]), std::isnan(wanted_loss)) << row;
        EXPECT_EQ(std::isnan(lse[row]), std::isnan(wanted_lse)) << row;
        if (std::isnan(wanted_loss)) continue;
        EXPECT_NEAR(loss[row], wanted_loss, bound * std::max(1.0, std::abs(wanted_lse))) << row;
        EXPECT_NEAR(lse[row], wanted_lse, bound * std::max(1.0, std::abs(wanted_lse))) << row;
      }
      const std::vector<double> slopes = c.logits.download();
      for (size_t i = 0; i < slopes.size(); ++i)
        ASSERT_EQ(std::isnan(slopes[i]), std::isnan(c.logits.wanted()[i])) << i;
    }
  });
}

// No host check sees a label before the device does.
TEST_P(CudaXent, LabelThatIsNoTokenGivesNan) {
  everywhere([&] {
    Chunk c = chunk(2, 100, 0);
    c.labels.data = {-1, 100};
    const OpValues labels = integers(c.labels);
    device().xent_chunk(c.loss.tensor(), c.lse.tensor(), c.logits.tensor(), labels.tensor(),
                        c.weight.tensor(), 100, 0, true);
    for (const double loss : c.loss.download()) EXPECT_TRUE(std::isnan(loss));
  });
}

}  // namespace
}  // namespace ballast
