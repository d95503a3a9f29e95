// Weights that are gathered for a pass: what is wanted stands with its owner's present values
// although buckets share rooms, and no more is sent than planned.
#include "tools/pretrain/weight_gather.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/sharded_model.h"
#include "tests/support/thread_ranks.h"
#include "tools/pretrain/resources.h"

namespace ballast {
namespace {

float weight_of(int64_t element, int64_t version) {
  return static_cast<float>(element % 1009 + version * 2000);
}

// One rank's weights and gather, over an arena.
class Rank {
 public:
  Rank(const RunConfig& config, const ParamTable& table, const FlatCut& cut, Comm& comm)
      : table_(table),
        backend_(open_cpu()),
        layout_(make_layout(cut, comm.rank(), 3, table.flat_size, false)) {
    const auto carve = [&](Arena& arena) {
      params_ = arena.take(Dtype::f32, 1, layout_.weights.size());
      gather_ = make_weight_gather(*backend_, &comm, arena, config, comm.size(), cut,
                                   layout_.weights.places(params_));
    };
    Arena plan;
    carve(plan);
    arena_ = std::make_unique<Arena>(*backend_, plan.peak_bytes());
    carve(*arena_);
    places_ = gather_->places();
  }

  void update(int64_t version) {
    version_ = version;
    for (const FlatRange& run : layout_.weights.runs()) {
      const Tensor part = layout_.weights.part(params_, run);
      for (int64_t i = 0; i < run.size(); ++i)
        part.as<float>()[i] = weight_of(run.begin + i, version);
    }
    gather_->changed();
  }
  // Wants the part of `stored`; elements of it that are not what they should be.
  int64_t wrong(const std::string& stored) {
    const StoredTensor& tensor = table_.stored_named(stored);
    const int64_t content = gather_->want(tensor.flat_begin);
    contents_.insert({content, tensor.flat_begin});
    const Tensor view = table_.view(places_, stored);
    int64_t count = 0;
    for (int64_t i = 0; i < view.elements(); ++i)
      count += view.as<float>()[i] != weight_of(tensor.flat_begin + i, version_) ? 1 : 0;
    return count;
  }
  // As the model goes through a micro-batch: every part forward, every block backward.
  int64_t pass(int64_t layers, bool tied) {
    const auto block = [](int64_t l) { return "layers." + std::to_string(l) + ".qkv"; };
    int64_t count = wrong("embed");
    for (int64_t l = 0; l < layers; ++l) count += wrong(block(l));
    count += wrong(tied ? "embed" : "head");
    for (int64_t l = layers; l-- > 0;) count += wrong(block(l));
    return count;
  }
  WeightGather& gather() { return *gather_; }
  int64_t version() const { return version_; }

 private:
  const ParamTable& table_;
  std::unique_ptr<Backend> backend_;
  ShardLayout layout_;
  std::unique_ptr<Arena> arena_;
  Tensor params_;
  std::unique_ptr<WeightGather> gather_;
  FlatPlaces places_;
  int64_t version_ = 0;
  std::set<std::pair<int64_t, int64_t>> contents_;
};

struct Case {
  int ranks;
  int64_t micros;
  bool tied;
};
class GatheredWeights : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Zero3, GatheredWeights,
                         testing::Values(Case{2, 1, false}, Case{2, 3, true}, Case{4, 2, false},
                                         Case{4, 1, true}, Case{3, 2, false}));

TEST_P(GatheredWeights, StandWhenTheyAreWantedAndSendWhatIsPlanned) {
  const auto [ranks, micros, tied] = GetParam();
  const RunConfig config = sharded_config(tied, 3, micros, ranks);
  const ParamTable table = make_param_table(config.model);
  const FlatCut cut(table, ranks);
  ASSERT_GE(cut.buckets().size(), 5u);
  std::vector<int64_t> sent(static_cast<size_t>(ranks));
  with_thread_ranks(
      ranks,
      [&](Comm& comm, ThreadLink& link) {
        Rank rank(config, table, cut, comm);
        for (int64_t step = 1; step <= 3; ++step) {
          comm.barrier();
          link.take_sent();
          rank.update(step);
          for (int64_t micro = 0; micro < micros; ++micro)
            EXPECT_EQ(rank.pass(config.model.num_hidden_layers, tied), 0) << "step " << step;
          sent[static_cast<size_t>(comm.rank())] = link.take_sent();
        }
        int64_t wrong = 0, elements = 0;
        rank.gather().visit([&](const FlatRange& range, const Tensor& weights) {
          elements += range.size();
          for (int64_t i = 0; i < range.size(); ++i)
            wrong += weights.as<float>()[i] != weight_of(range.begin + i, rank.version()) ? 1 : 0;
        });
        EXPECT_EQ(elements, table.flat_size);
        EXPECT_EQ(wrong, 0);
      },
      true);
  if (ranks == 3) return;  // parts are not even: no plan to the byte
  int64_t all = 0, planned = 0;
  for (const int64_t bytes : sent) all += bytes;
  for (const CollectivePlan& plan : plan_collectives(config, table, ranks))
    if (plan.name == "all-gather weights") planned = plan.bytes * ranks;
  // The optimizer sends the one-dimensional parameters.
  planned -= cut.buckets().back().range.size() * 4 * (ranks - 1);
  EXPECT_EQ(all, planned);
}

TEST(WeightGather, SaysByItsNumberWhetherTheContentIsAnother) {
  const RunConfig config = sharded_config(false, 3, 1, 2);
  const ParamTable table = make_param_table(config.model);
  const FlatCut cut(table, 2);
  with_thread_ranks(
      2,
      [&](Comm& comm, ThreadLink&) {
        Rank rank(config, table, cut, comm);
        rank.update(1);
        const int64_t top = cut.buckets()[0].range.begin, same_room = cut.buckets()[2].range.begin;
        const int64_t first = rank.gather().want(top);
        EXPECT_EQ(rank.gather().want(top), first);
        EXPECT_NE(rank.gather().want(same_room), first);
        EXPECT_NE(rank.gather().want(top), first);
        const int64_t last = rank.gather().want(top);
        rank.update(2);
        EXPECT_NE(rank.gather().want(top), last);
      },
      true);
}

}  // namespace
}  // namespace ballast
