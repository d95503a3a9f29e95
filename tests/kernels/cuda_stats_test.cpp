#include "kernels/ref/stats.h"

#include <limits>
#include <map>

#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class CudaStats : public DeviceOps {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaStats, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaStats);

// Relative, of a sum of n terms in double: terms are rounded once or twice, and so is every sum.
double bound(int64_t n) { return static_cast<double>(n + 2) * 0x1p-53; }

TEST_P(CudaStats, SkipNonFiniteValues) {
  everywhere([&] {
    std::vector<Shape> cases = shapes();
    cases.push_back({1, 70001});  // several blocks
    cases.push_back({700, 9});
    for (const Shape& s : cases) {
      OpValues x = random(s.rows, s.cols, 1), out = empty(1, kStatsCols, Dtype::f64);
      const std::vector<double> given = x.wanted();
      x.fill([&](int64_t i) {
        if (i == 0) return 0.0;
        if (s.cols < 5) return given[static_cast<size_t>(i)];
        if (i == 2) return std::nan("");
        if (i == 3) return -0.0;
        if (i == s.rows * s.cols - 2) return kInfinity;
        return i == s.rows * s.cols - 1 ? -kInfinity : given[static_cast<size_t>(i)];
      });
      device().stats(out.tensor(), x.tensor());
      ref::stats(out.matrix().data, x.matrix());
      SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols);
      check(out, s.rows * s.cols);  // and the same bits in any order of lanes
      const std::vector<double> got = out.download();
      for (size_t c : {0, 1}) {
        EXPECT_NEAR(got[c], out.wanted()[c], bound(s.rows * s.cols) * out.wanted()[c]);
      }
      for (size_t c : {2, 3, 4}) EXPECT_EQ(got[c], out.wanted()[c]) << c;
    }
  });
}

TEST_P(CudaStats, OfParametersWhateverTheActivations) {
  everywhere([&] {
    OpValues x = random_of(Dtype::f32, 9, 100, 1), out = empty(1, kStatsCols, Dtype::f64);
    device().stats(out.tensor(), x.tensor());
    ref::stats(out.matrix().data, x.matrix());
    check(out, 900);
  });
}

// The same rows at other strides and alignments: the same bits, as a law reads them.
TEST_P(CudaStats, BitsDependOnShapesOnly) {
  std::map<std::pair<int64_t, int64_t>, std::vector<double>> seen;
  everywhere([&] {
    for (const Shape& s : {Shape{7, 17}, Shape{40, 384}, Shape{1, 9000}}) {
      OpValues x = random(s.rows, s.cols, 1), out = empty(1, kStatsCols, Dtype::f64);
      device().stats(out.tensor(), x.tensor());
      const std::vector<double> got = out.download();
      const auto [at, fresh] = seen.try_emplace({s.rows, s.cols}, got);
      EXPECT_EQ(at->second, got) << s.rows << " x " << s.cols;
    }
  });
}

TEST_P(CudaStats, NormsOfBlocks) {
  std::map<int64_t, std::vector<double>> seen;
  everywhere([&] {
    for (const int64_t n : {int64_t{1}, int64_t{1000}, kFlatBlock, 2 * kFlatBlock + 77}) {
      const int64_t blocks = (n + kFlatBlock - 1) / kFlatBlock;
      OpValues x = random_of(Dtype::f32, 1, n, 1), out = empty(1, blocks, Dtype::f64);
      device().norm_blocks(out.tensor(), x.tensor());
      ref::norm_blocks(out.matrix().data, x.matrix());
      check(out, n);
      const std::vector<double> got = out.download();
      for (size_t b = 0; b < got.size(); ++b)
        EXPECT_NEAR(got[b], out.wanted()[b], bound(kFlatBlock) * out.wanted()[b]) << n;
      const auto [at, fresh] = seen.try_emplace(n, got);
      EXPECT_EQ(at->second, got) << n << ": bits depend on the alignment";
    }
  });
}

// A non-finite gradient must reach the norm of its block, and of no other.
TEST_P(CudaStats, NonFiniteValuesReachTheirNorm) {
  everywhere([&] {
    const int64_t n = 2 * kFlatBlock + 6;
    OpValues x = constant(Dtype::f32, 1, n, 1), out = empty(1, 3, Dtype::f64);
    x.fill([&](int64_t i) {
      return i == kFlatBlock - 1 ? std::nan("") : i == n - 1 ? kInfinity : 1;
    });
    device().norm_blocks(out.tensor(), x.tensor());
    const std::vector<double> got = out.download();
    EXPECT_TRUE(std::isnan(got[0]));
    EXPECT_EQ(got[1], static_cast<double>(kFlatBlock));
    EXPECT_EQ(got[2], kInfinity);
  });
}

}  // namespace
}  // namespace ballast
