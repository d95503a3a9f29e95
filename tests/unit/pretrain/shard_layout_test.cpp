// Where the flat index lies when matrices are stored in bf16 and apart from one-dimensional
// parameters: whatever the ranks and the stage of ZeRO, every element has one place, one type and
// one owner.
#include <gtest/gtest.h>

#include "tests/support/sharded_model.h"
#include "tools/pretrain/shard_state.h"

namespace ballast {
namespace {

struct Case {
  int ranks, stage;
  bool tied;
};

class ShardLayouts : public testing::TestWithParam<Case> {
 protected:
  // The buffers of a rank, over memory that nobody touches.
  static TrainBuffers buffers_of(const RunConfig& config, const ParamTable& table, int ranks,
                                 const ShardLayout& layout) {
    Arena counting;
    return take_buffers(counting, table, config, ranks, layout);
  }
};

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const int ranks : {1, 2, 3, 4})
    for (int stage = 0; stage <= (ranks > 1 ? 3 : 0); ++stage)
      for (const bool tied : {false, true}) list.push_back({ranks, stage, tied});
  return list;
}
std::string name_of(const testing::TestParamInfo<Case>& info) {
  return std::to_string(info.param.ranks) + "_ranks_stage_" + std::to_string(info.param.stage) +
         (info.param.tied ? "_tied" : "");
}
INSTANTIATE_TEST_SUITE_P(Zero, ShardLayouts, testing::ValuesIn(cases()), name_of);

TEST_P(ShardLayouts, EveryPieceHasOneTypeAndEveryElementOneOwner) {
  const Case& c = GetParam();
  RunConfig config = sharded_config(c.tied, c.stage, 1, c.ranks);
  config.bf16_params = true;
  config.compute = Dtype::bf16;
  const ParamTable table = make_param_table(config.model);
  const FlatCut cut(table, c.ranks);
  int64_t vectors = table.flat_size;
  for (const ParamSpec& spec : table.specs)
    if (spec.one_dimensional) vectors = std::min(vectors, spec.flat_begin);
  std::vector<FlatRange> owned;
  for (int rank = 0; rank < c.ranks; ++rank) {
    const ShardLayout layout = make_layout(cut, rank, c.stage, table.flat_size, true);
    ASSERT_EQ(layout.border, vectors);
    const TrainBuffers buffers = buffers_of(config, table, c.ranks, layout);
    EXPECT_EQ(buffers.params.cols + buffers.vectors.cols, layout.weights.size());
    EXPECT_EQ(buffers.vectors.cols, table.flat_size - vectors);
    EXPECT_EQ(buffers.params.dtype, Dtype::bf16);
    EXPECT_EQ(buffers.vectors.dtype, Dtype::f32);
    for (const ShardPiece& piece : make_shard(layout, table.optimizer_ranges())) {
      EXPECT_EQ(piece.rounded, piece.range.end <= vectors);
      EXPECT_TRUE(piece.rounded || piece.range.begin >= vectors);
      EXPECT_EQ(buffers.weights.at(piece.range).dtype, piece.rounded ? Dtype::bf16 : Dtype::f32);
      EXPECT_EQ(buffers.weights.at(piece.range).cols, piece.range.size());
      for (const OptimizerRange& range : piece.ranges)
        EXPECT_EQ(range.decay, piece.rounded);  // what decays is a matrix
      if (rank == 0 || c.stage > 0) owned.push_back(piece.range);
    }
  }
  const FlatRuns all(owned);
  ASSERT_EQ(all.runs().size(), 1u);
  EXPECT_EQ(all.runs()[0], (FlatRange{0, table.flat_size}));
  int64_t elements = 0;
  for (const FlatRange& range : owned) elements += range.size();
  EXPECT_EQ(elements, table.flat_size);
}

// The place of an element in its buffer is that of all elements before it which the rank has.
TEST_P(ShardLayouts, WeightsStandInTheOrderOfTheIndex) {
  const Case& c = GetParam();
  RunConfig config = sharded_config(c.tied, c.stage, 1, c.ranks);
  for (const bool bf16 : {false, true}) {
    config.bf16_params = bf16;
    config.compute = Dtype::bf16;
    const ParamTable table = make_param_table(config.model);
    const FlatCut cut(table, c.ranks);
    const ShardLayout layout = make_layout(cut, c.ranks - 1, c.stage, table.flat_size, bf16);
    const std::unique_ptr<Backend> cpu = open_cpu();
    Arena counting;
    take_buffers(counting, table, config, c.ranks, layout);
    Arena arena(*cpu, counting.peak_bytes());
    const TrainBuffers buffers = take_buffers(arena, table, config, c.ranks, layout);
    int64_t at = 0;
    for (const FlatRange& run : layout.cut_at_border(layout.weights)) {
      const Tensor weights = buffers.weights.at(run);
      const bool matrices = at < buffers.params.cols;
      const Tensor& buffer = matrices ? buffers.params : buffers.vectors;
      const int64_t place = matrices ? at : at - buffers.params.cols;
      EXPECT_EQ(weights.data, buffer.as<char>() + place * bytes_of(buffer.dtype));
      at += run.size();
    }
    EXPECT_EQ(at, layout.weights.size());
    if (!bf16) {
      EXPECT_EQ(layout.cut_at_border(layout.weights), layout.weights.runs());
    }
  }
}

}  // namespace
}  // namespace ballast
