#include "kernels/ref/embed.h"

#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaEmbed : public DeviceOps {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaEmbed, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaEmbed);

// Tokens of a table of `vocab` rows: every fourth is token 3 (or the last), the rest lie anywhere.
Integers tokens_of(int64_t rows, int64_t vocab) {
  Integers tokens{1, rows, std::vector<int32_t>(static_cast<size_t>(rows))};
  for (int64_t n = 0; n < rows; ++n) {
    const auto any = random_u64(1, 2, static_cast<uint64_t>(n)) % static_cast<uint64_t>(vocab);
    tokens.data[static_cast<size_t>(n)] =
        static_cast<int32_t>(n % 4 == 1 ? std::min<int64_t>(3, vocab - 1) : int64_t(any));
  }
  return tokens;
}

TEST_P(CudaEmbed, RowsOfTheTable) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      for (const int64_t vocab : {1, 50}) {
        // f32, or with half of the shapes of the type of activations.
        const Dtype weights = (s.rows + vocab) % 2 == 0 ? Dtype::f32 : type();
        OpValues table = random_of(weights, vocab, s.cols, 1), y = empty(s.rows, s.cols);
        Integers tokens = tokens_of(s.rows, vocab);
        const OpValues on_device = integers(tokens);
        device().embed(y.tensor(), table.tensor(), on_device.tensor());
        ref::embed<double>(y.matrix(), table.matrix(), tokens.matrix());
        SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols << " of " << vocab);
        check(y, 1);
      }
    }
  });
}

// Sums of a loop over the positions in f32: the order is part of the contract, so bits are equal.
void expect_bits(const OpValues& dtable, const std::vector<double>& before, const OpValues& dy,
                 const Integers& tokens) {
  std::vector<float> wanted(before.begin(), before.end());
  for (int64_t n = 0; n < dy.rows(); ++n) {
    for (int64_t c = 0; c < dy.cols(); ++c) {
      const auto row = static_cast<int64_t>(tokens.data[static_cast<size_t>(n)]);
      wanted[static_cast<size_t>(row * dy.cols() + c)] +=
          static_cast<float>(dy.wanted()[static_cast<size_t>(n * dy.cols() + c)]);
    }
  }
  const std::vector<double> got = dtable.download();
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], static_cast<double>(wanted[i])) << "element " << i;
}

TEST_P(CudaEmbed, GradientsInTokenOrder) {
  everywhere([&] {
    for (const Shape& s : shapes()) {
      for (const int64_t vocab : {1, 50}) {
        OpValues dtable = random_of(Dtype::f32, vocab, s.cols, 1), dy = random(s.rows, s.cols, 2);
        const std::vector<double> before = dtable.wanted();
        Integers tokens = tokens_of(s.rows, vocab);
        const OpValues on_device = integers(tokens);
        device().embed_bwd(dtable.tensor(), dy.tensor(), on_device.tensor());
        ref::embed_bwd<double>(dtable.matrix(), dy.matrix(), tokens.matrix());
        SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols << " of " << vocab);
        check(dtable, s.rows);
        expect_bits(dtable, before, dy, tokens);
      }
    }
  });
}

// More positions than are ranked in one block, the last block not full; on a GPU also more tiles
// than a warp has lanes. A table of few rows has each token in every tile.
TEST_P(CudaEmbed, GradientsOfManyTiles) {
  everywhere([&] {
    for (const int64_t vocab : {2, 2000}) {
      const int64_t rows = (GetParam().device == "emu" ? 3 : 40) * 1024 + 5;
      OpValues dtable = random_of(Dtype::f32, vocab, 3, 1), dy = random(rows, 3, 2);
      const std::vector<double> before = dtable.wanted();
      Integers tokens = tokens_of(rows, vocab);
      const OpValues on_device = integers(tokens);
      device().embed_bwd(dtable.tensor(), dy.tensor(), on_device.tensor());
      SCOPED_TRACE(vocab);
      expect_bits(dtable, before, dy, tokens);
    }
  });
}

// No host check sees a token before the device does.
TEST_P(CudaEmbed, TokensOutsideTheTable) {
  everywhere([&] {
    OpValues table = random_of(Dtype::f32, 5, 24, 1), y = empty(4, 24), dy = random(4, 24, 2);
    OpValues dtable = constant(Dtype::f32, 5, 24, 0);
    Integers tokens{1, 4, {2, -1, 5, 2}};
    const OpValues on_device = integers(tokens);
    device().embed(y.tensor(), table.tensor(), on_device.tensor());
    device().embed_bwd(dtable.tensor(), dy.tensor(), on_device.tensor());
    const std::vector<double> rows = y.download(), slopes = dtable.download();
    for (size_t i = 0; i < rows.size(); ++i)
      EXPECT_EQ(std::isnan(rows[i]), i / 24 == 1 || i / 24 == 2) << i;
    for (size_t i = 0; i < slopes.size(); ++i) EXPECT_EQ(slopes[i] != 0, i / 24 == 2) << i;
  });
}

}  // namespace
}  // namespace ballast
