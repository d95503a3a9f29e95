#include "tools/pretrain/gradient_norms.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

// A matrix of one block, one of three (with a little padding), and vectors in the last block.
ParamTable table() {
  ParamTable t;
  t.stored = {{"embed", 4, 100, 0, true},
              {"layers.0.qkv", 2, kFlatBlock + 1, kFlatBlock, true},
              {"layers.1.qkv", 1, 10, 4 * kFlatBlock, true},
              {"layers.0.mlp_norm", 1, 10, 5 * kFlatBlock, false},
              {"norm", 1, 10, 5 * kFlatBlock + 10, false}};
  t.flat_size = 6 * kFlatBlock;
  return t;
}

TEST(GradientNorms, AddUpTheBlocksOfEachTensor) {
  const std::vector<double> squares = {9, 1, 2, 1, 16, 25};
  const Json norms = gradient_norms(table(), squares);
  EXPECT_EQ(norms["embed_grad"], Json(3.0));
  EXPECT_EQ(norms["qkv_grad"], Json({2.0, 4.0}));
  EXPECT_EQ(norms["vectors_grad"], Json(5.0));
  EXPECT_EQ(norms.size(), 3u);
}

TEST(GradientNorms, SaysWhatIsNotFinite) {
  const std::vector<double> squares = {9, INFINITY, 2, 1, NAN, 25};
  EXPECT_EQ(gradient_norms(table(), squares)["qkv_grad"], Json({"Infinity", "NaN"}));
}

}  // namespace
}  // namespace ballast
