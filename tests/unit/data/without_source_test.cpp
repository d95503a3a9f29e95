#include "libcore/data/without_source.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

const std::vector<DataPhase> kPhases = {{0, {1, 2, 3}}, {100, {0, 1, 1}}, {200, {1, 0, 1}}};

TEST(WithoutSource, AppendsAPhaseAndTouchesLaterOnes) {
  const auto phases = without_source(kPhases, 2, 50);
  ASSERT_TRUE(phases.ok());
  ASSERT_EQ(phases->size(), 4u);
  EXPECT_EQ((*phases)[0].weights, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ((*phases)[1].first_sample, 50);
  EXPECT_EQ((*phases)[1].weights, (std::vector<double>{1, 2, 0}));
  EXPECT_EQ((*phases)[2].weights, (std::vector<double>{0, 1, 0}));
  EXPECT_EQ((*phases)[3].weights, (std::vector<double>{1, 0, 0}));
}

TEST(WithoutSource, AtTheBeginningOfAPhaseChangesItInPlace) {
  const auto phases = without_source(kPhases, 0, 200);
  ASSERT_TRUE(phases.ok());
  ASSERT_EQ(phases->size(), 3u);
  EXPECT_EQ((*phases)[2].weights, (std::vector<double>{0, 0, 1}));
}

TEST(WithoutSource, RefusesToLeaveNothing) {
  const auto two = without_source(kPhases, 2, 150);
  ASSERT_TRUE(two.ok());
  EXPECT_FALSE(without_source(*two, 1, 160).ok());
}

// The past is never edited, and the source is not drawn again.
TEST(WithoutSource, KeepsTheOrderBeforeIt) {
  const std::vector<DataSource> sources = {{"a", 50}, {"b", 60}, {"c", 70}};
  const DataOrder before = *DataOrder::make(7, sources, kPhases);
  const DataOrder after = *DataOrder::make(7, sources, *without_source(kPhases, 1, 130));
  for (int64_t i = 0; i < 130; ++i) EXPECT_EQ(before.at(i), after.at(i)) << i;
  for (int64_t i = 130; i < 400; ++i) EXPECT_NE(after.at(i).source, 1) << i;
}

}  // namespace
}  // namespace ballast
