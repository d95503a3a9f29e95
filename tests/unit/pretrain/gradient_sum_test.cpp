// Sums of gradients over ranks and micro-batches. Values are small integers, so that every order of
// adding gives one exact result: any difference is a wrong element, never rounding.
#include "tools/pretrain/gradient_sum.h"

#include <gtest/gtest.h>

#include "tests/support/sharded_model.h"
#include "tests/support/thread_ranks.h"
#include "tools/pretrain/resources.h"

namespace ballast {
namespace {

// What a rank adds to an element in a micro-batch.
float gradient_of(int rank, int64_t micro, int64_t element) {
  return static_cast<float>((element * 7 + rank * 3 + micro * 5) % 11 - 5);
}

// Adds to what stored tensors the part named `begin` has, and to the 1-D parameters, as a pass
// does.
class Pass {
 public:
  Pass(const ParamTable& table, GradientSum& sum, int rank, int64_t micro)
      : table_(table), sum_(sum), places_(sum.places()), rank_(rank), micro_(micro) {}

  void run(bool tied) {
    int64_t layers = 0;
    while (table_.find_stored(layer(layers) + "qkv") != nullptr) ++layers;
    const std::string head = tied ? "embed" : "head";
    sum_.open(begin_of(head));
    if (!tied) {
      add(head);
      sum_.complete(begin_of(head));
    }
    for (int64_t l = layers; l-- > 0;) {
      const int64_t part = begin_of(layer(l) + "qkv");
      sum_.open(part);
      for (const StoredTensor& stored : table_.stored)
        if (stored.name.starts_with(layer(l))) add(stored.name);
      sum_.complete(part);
    }
    add("norm");
    sum_.open(0);
    add("embed");
  }

 private:
  static std::string layer(int64_t l) { return "layers." + std::to_string(l) + "."; }
  int64_t begin_of(const std::string& name) const { return table_.stored_named(name).flat_begin; }
  void add(const std::string& name) {
    const StoredTensor& stored = table_.stored_named(name);
    const Tensor gradient = table_.view(places_, name);
    for (int64_t i = 0; i < gradient.elements(); ++i)
      gradient.as<float>()[i] += gradient_of(rank_, micro_, stored.flat_begin + i);
  }

  const ParamTable& table_;
  GradientSum& sum_;
  FlatPlaces places_;
  int rank_;
  int64_t micro_;
};

// Bytes that plan_collectives() foretells for the gradients alone.
int64_t planned_bytes(const RunConfig& config, const ParamTable& table, int ranks) {
  for (const CollectivePlan& plan : plan_collectives(config, table, ranks))
    if (plan.name.find("gradients") != std::string::npos) return plan.bytes;
  return 0;
}

struct Case {
  int zero, ranks;
  int64_t micros;
  bool tied;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const int zero : {0, 1, 2})
    for (const int ranks : {2, 4})
      for (const int64_t micros : {1, 3})
        for (const bool tied : {false, true}) all.push_back({zero, ranks, micros, tied});
  return all;
}
std::string name_of(const testing::TestParamInfo<Case>& parameter) {
  const Case& c = parameter.param;
  return "Stage" + std::to_string(c.zero) + "Ranks" + std::to_string(c.ranks) + "Micros" +
         std::to_string(c.micros) + (c.tied ? "Tied" : "Untied");
}
class GradientSums : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Zero, GradientSums, testing::ValuesIn(cases()), name_of);

TEST_P(GradientSums, AreWholeInTheirOwnersShardAndSendWhatIsPlanned) {
  const Case& c = GetParam();
  const RunConfig config = sharded_config(c.tied, c.zero, c.micros, c.ranks);
  const ParamTable table = make_param_table(config.model);
  const FlatCut cut(table, c.ranks);
  ASSERT_GE(cut.buckets().size(), 4u);
  std::vector<int64_t> sent(static_cast<size_t>(c.ranks));
  with_thread_ranks(c.ranks, [&](Comm& comm, ThreadLink& link) {
    const auto backend = open_cpu();
    const ShardLayout layout = make_layout(cut, comm.rank(), c.zero, table.flat_size, false);
    Tensor grads;
    std::unique_ptr<GradientSum> sum;
    const auto carve = [&](Arena& arena) {
      grads = arena.take(Dtype::f32, 1, layout.gradients.size());
      sum = make_gradient_sum(*backend, &comm, arena, config, c.ranks, cut, layout, grads);
    };
    Arena plan;
    carve(plan);
    Arena arena(*backend, plan.peak_bytes());
    carve(arena);
    for (int step = 0; step < 2; ++step) {  // the second one begins with what the first one left
      link.take_sent();
      for (int64_t micro = 0; micro < c.micros; ++micro) {
        sum->begin(micro, c.micros);
        Pass(table, *sum, comm.rank(), micro).run(c.tied);
        sum->end();
      }
      sum->finish();
      sent[static_cast<size_t>(comm.rank())] = link.take_sent();
      for (const StoredTensor& stored : table.stored) {
        for (const FlatRange& run : layout.owned.runs()) {
          const FlatRange own = {std::max(run.begin, stored.flat_begin),
                                 std::min(run.end, stored.flat_begin + stored.rows * stored.cols)};
          if (own.size() <= 0) continue;
          const Tensor part = layout.gradients.part(grads, own);
          int64_t wrong = 0;
          for (int64_t i = 0; i < own.size(); ++i) {
            float expected = 0;
            for (int r = 0; r < c.ranks; ++r)
              for (int64_t m = 0; m < c.micros; ++m) expected += gradient_of(r, m, own.begin + i);
            wrong += part.as<float>()[i] != expected ? 1 : 0;
          }
          EXPECT_EQ(wrong, 0) << stored.name << " of rank " << comm.rank() << " in step " << step;
        }
      }
    }
  });
  // A rank sends of every bucket all but its own part; the plan is that of an even share.
  int64_t all = 0;
  for (const int64_t bytes : sent) all += bytes;
  EXPECT_EQ(all, planned_bytes(config, table, c.ranks) * c.ranks);
}

}  // namespace
}  // namespace ballast
