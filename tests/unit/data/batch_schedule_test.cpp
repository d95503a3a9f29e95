#include "libcore/data/batch_schedule.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

BatchSchedule batches(const std::string& text, int64_t unit = 10) {
  return BatchSchedule::parse(text, unit).take_value();
}

TEST(BatchSchedule, AConstantBatchIsAProduct) {
  const BatchSchedule b = batches("1K");
  EXPECT_TRUE(b.constant());
  EXPECT_EQ(b.batch_at(5000), 1000);
  EXPECT_EQ(b.tokens_before(7), 7000);
  EXPECT_EQ(b.steps_for(7000), 7);
  EXPECT_EQ(b.steps_for(7001), 8);
  EXPECT_EQ(b.spec(), "1000");
}

// Borders that are no multiple of the batch before them round up to a step.
TEST(BatchSchedule, StepsTokensAndBatchesAgreeAcrossBorders) {
  const BatchSchedule b = batches("0:100,250:200,1K:50");
  EXPECT_FALSE(b.constant());
  EXPECT_EQ(b.largest(), 200);
  int64_t tokens = 0;
  std::vector<int64_t> list;
  for (int64_t step = 0; step < 12; ++step) {
    EXPECT_EQ(b.tokens_before(step), tokens);
    EXPECT_EQ(b.steps_for(tokens), step);
    const int64_t batch = b.batch_at(tokens);
    EXPECT_EQ(b.steps_for(tokens + 1), step + 1);
    EXPECT_EQ(b.steps_for(tokens + batch - 1), step + 1);
    EXPECT_EQ(b.round_up(tokens + 1), tokens + batch);
    list.push_back(batch);
    tokens += batch;
  }
  EXPECT_EQ(list, (std::vector<int64_t>{100, 100, 100, 200, 200, 200, 200, 50, 50, 50, 50, 50}));
}

// Apertus 8B: the batch doubles after 1,718,272,000 sequences of 4,096; its data phases begin at
// the published steps, the cooldown's among them.
TEST(BatchSchedule, CountsTheStepsOfApertus) {
  constexpr int64_t kSeq = 4096, kDoubled = 1718272000, kAll = 3662109375, kCooldown = 403905806;
  const BatchSchedule b = batches("0:4194304,7038042112000:8388608", kSeq);
  EXPECT_EQ(kDoubled * kSeq, 7038042112000);
  EXPECT_EQ(b.steps_for(kDoubled * kSeq), 1678000);
  EXPECT_EQ(b.steps_for((kAll - kCooldown) * kSeq), 2429920);
  EXPECT_EQ(b.steps_for(4096000 * kSeq), 4000);  // warm-up
  EXPECT_NEAR(static_cast<double>(b.steps_for(kAll * kSeq)), 2.627e6, 500);
}

TEST(BatchSchedule, SpecReadsBack) {
  const BatchSchedule b = batches("0:0.5M,10B:1M", 1000);
  EXPECT_EQ(b.spec(), "0:500000,10000000000:1000000");
  EXPECT_EQ(batches(b.spec(), 1000).spec(), b.spec());
}

TEST(BatchSchedule, ComparesOnlyThePast) {
  const BatchSchedule constant = batches("100"), later = batches("0:100,1K:200");
  EXPECT_TRUE(constant.same_before(later, 1000));
  EXPECT_FALSE(constant.same_before(later, 1001));
  EXPECT_TRUE(later.same_before(batches("0:100,1K:200,3K:400"), 2000));
  EXPECT_FALSE(later.same_before(batches("0:100,900:200"), 1000));
  EXPECT_TRUE(constant.same_before(batches("0:100,500:100"), 9000));  // the same batch
  EXPECT_TRUE(constant.same_before(batches("50"), 0));
}

TEST(BatchSchedule, RefusesWhatNoRunCanFollow) {
  for (const std::string text :
       {"", "0", "15", "1:100", "0:100,50", "0:100,0:200", "0:100,300:105", "0:100,300:200,250:100",
        "0:100,,", "x", "0:100,10:9999999999999T", "0:200,50:100,60:200"})
    EXPECT_FALSE(BatchSchedule::parse(text, 10).ok()) << text;
}

}  // namespace
}  // namespace ballast
