#include "libcore/data/recall.h"

#include <gtest/gtest.h>

#include <vector>

namespace ballast {
namespace {

using Ids = std::vector<int32_t>;

TEST(RecallOf, TellsExactPrefixAndLongestRunApart) {
  const Ids truth = {1, 2, 3, 4, 5, 6};
  const Recall all = recall_of(truth, truth);
  EXPECT_TRUE(all.exact);
  EXPECT_EQ(all.longest_run, 6);
  EXPECT_EQ(all.matching_prefix, 6);
  const Recall part = recall_of(Ids{1, 2, 9, 3, 4, 5}, truth);
  EXPECT_FALSE(part.exact);
  EXPECT_EQ(part.matching_prefix, 2);
  EXPECT_EQ(part.longest_run, 3);  // 3 4 5, one place later
  const Recall none = recall_of(Ids{7, 8}, truth);
  EXPECT_EQ(none.longest_run, 0);
  EXPECT_EQ(recall_of(Ids{}, truth).matching_prefix, 0);
  EXPECT_FALSE(recall_of(Ids{1, 2, 3}, truth).exact);
}

TEST(RecallOf, RunsDoNotJumpOverGaps) {
  EXPECT_EQ(recall_of(Ids{1, 1, 1, 2, 1, 1}, Ids{1, 1, 2, 2, 1, 1, 1}).longest_run, 3);
}

TEST(RecallSummary, Averages) {
  RecallSummary summary;
  summary.add({true, 4, 4});
  summary.add({false, 2, 0});
  EXPECT_DOUBLE_EQ(summary.exact_share(), 0.5);
  EXPECT_DOUBLE_EQ(summary.mean_longest_run(), 3);
  EXPECT_DOUBLE_EQ(summary.mean_matching_prefix(), 2);
}

}  // namespace
}  // namespace ballast
