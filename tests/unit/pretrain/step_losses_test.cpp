#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tools/pretrain/loss_meter.h"
#include "tools/pretrain/worst_sequences.h"

namespace ballast {
namespace {

TEST(StepLosses, SumsBySequenceWithoutMaskedRows) {
  const float rows[] = {1, 2, 3, 4, 5, 6};
  const int32_t labels[] = {7, kMaskedLabel, 7, kMaskedLabel, kMaskedLabel, kMaskedLabel};
  const std::vector<WindowSum> sums = sum_sequences(rows, labels, 3);
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].loss, 4);
  EXPECT_EQ(sums[0].tokens, 2);
  EXPECT_EQ(sums[1].loss, 0);
  EXPECT_EQ(sums[1].tokens, 0);
}

TEST(StepLosses, TheHighestComeFirstAndWhatIsNotFiniteBeforeThem) {
  const double losses[] = {2, 5, std::nan(""), 5, 1, INFINITY};
  EXPECT_THAT(highest(losses, 4), testing::ElementsAre(2u, 5u, 1u, 3u));
  EXPECT_THAT(highest({losses, 2}, 8), testing::ElementsAre(1u, 0u));
}

}  // namespace
}  // namespace ballast
