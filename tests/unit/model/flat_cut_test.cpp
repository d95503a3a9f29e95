#include "libcore/model/flat_cut.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ballast {
namespace {

ModelConfig model(bool tied) {
  ModelConfig c;
  c.vocab_size = 4000;
  c.hidden_size = 256;
  c.intermediate_size = 700;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 64;
  c.max_position_embeddings = 128;
  c.tie_word_embeddings = tied;
  return c;
}

class FlatCutRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, FlatCutRanks, testing::Values(1, 2, 3, 4, 8, 64));

TEST_P(FlatCutRanks, CoversEveryBlockOnceAndEvenly) {
  for (const bool tied : {false, true}) {
    const ParamTable table = make_param_table(model(tied));
    const FlatCut cut(table, GetParam());
    std::vector<int> owners(static_cast<size_t>(table.flat_size / kFlatBlock));
    int64_t smallest = table.flat_size;
    for (int r = 0; r < GetParam(); ++r) {
      int64_t last = 0;
      for (const FlatRange& range : cut.shard(r)) {
        EXPECT_EQ(range.begin % kFlatBlock, 0);
        EXPECT_EQ(range.end % kFlatBlock, 0);
        EXPECT_GE(range.begin, last);
        last = range.end;
        for (int64_t b = range.begin; b < range.end; b += kFlatBlock)
          ++owners[static_cast<size_t>(b / kFlatBlock)];
      }
      smallest = std::min(smallest, cut.shard_size(r));
    }
    EXPECT_EQ(std::count(owners.begin(), owners.end(), 1), static_cast<int64_t>(owners.size()));
    EXPECT_LE(cut.shard_size(cut.largest_rank()) - smallest, kFlatBlock);
  }
}

TEST(FlatCut, BucketsFollowTheBackwardPass) {
  const ParamTable table = make_param_table(model(false));
  const FlatCut cut(table, 2);
  const auto& buckets = cut.buckets();
  ASSERT_GE(buckets.size(), 3u);
  for (size_t i = 1; i + 1 < buckets.size(); ++i)
    EXPECT_EQ(buckets[i].range.end, buckets[i - 1].range.begin);
  EXPECT_EQ(buckets[buckets.size() - 2].range.begin, 0);
  // Gains, which every layer adds to until the end, are last and apart.
  const ParamSpec* norm = table.find("model.norm.weight");
  EXPECT_LE(buckets.back().range.begin, norm->flat_begin);
  EXPECT_EQ(buckets.back().range.end, table.flat_size);
  EXPECT_EQ(buckets.front().range.end, buckets.back().range.begin);
}

TEST(FlatCut, OptimizerRangesAreCutAtTheBordersOfAPart) {
  const std::vector<OptimizerRange> ranges = {{0, 100, true, 1.0f}, {200, 400, false, 0.5f}};
  const auto inside = ranges_within(ranges, {50, 250});
  ASSERT_EQ(inside.size(), 2u);
  EXPECT_EQ(inside[0].begin, 0);
  EXPECT_EQ(inside[0].end, 50);
  EXPECT_EQ(inside[1].begin, 150);
  EXPECT_EQ(inside[1].end, 200);
  EXPECT_EQ(inside[1].lr_scale, 0.5f);
  EXPECT_TRUE(ranges_within(ranges, {100, 200}).empty());
}

}  // namespace
}  // namespace ballast
