#include "libcore/data/order.h"

#include <gtest/gtest.h>

#include <set>

#include "libcore/data/order_law.h"
#include "libcore/data/skip_ranges.h"

namespace ballast {
namespace {

DataOrder two_sources(uint64_t seed = 7) {
  return DataOrder::make(seed, {{"en", 1000}, {"de", 37}},
                         {{0, {3, 1}}, {5000, {1, 1}}, {90000, {0, 1}}})
      .take_value();
}

TEST(Permutation, IsABijectionForEverySize) {
  for (int64_t n : {1, 2, 3, 5, 64, 65, 1000}) {
    std::set<int64_t> seen;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t image = permute(i, n, 1, 2, 3);
      ASSERT_GE(image, 0);
      ASSERT_LT(image, n);
      EXPECT_EQ(unpermute(image, n, 1, 2, 3), i);
      seen.insert(image);
    }
    EXPECT_EQ(static_cast<int64_t>(seen.size()), n);
  }
}

TEST(Permutation, DiffersBetweenSeedsStreamsAndEpochs) {
  const auto order = [](uint64_t seed, uint64_t stream, int64_t epoch) {
    std::vector<int64_t> images;
    for (int64_t i = 0; i < 100; ++i) images.push_back(permute(i, 100, seed, stream, epoch));
    return images;
  };
  EXPECT_NE(order(1, 2, 0), order(2, 2, 0));
  EXPECT_NE(order(1, 2, 0), order(1, 3, 0));
  EXPECT_NE(order(1, 2, 0), order(1, 2, 1));
}

TEST(DataOrder, ShowsEachWindowOncePerEpoch) {
  const DataOrder order = two_sources();
  std::vector<std::set<int64_t>> first_epoch(2);
  for (int64_t i = 0; i < 5000; ++i) {
    const SampleAddress address = order.at(i);
    if (address.epoch == 0) {
      EXPECT_TRUE(first_epoch[static_cast<size_t>(address.source)].insert(address.window).second)
          << i;
    }
  }
  EXPECT_EQ(first_epoch[0].size(), 1000u);
  EXPECT_EQ(first_epoch[1].size(), 37u);
}

TEST(DataOrder, KeepsWeightsWithinOneSampleAtEveryPrefix) {
  const DataOrder order = two_sources();
  int64_t english = 0;
  for (int64_t i = 0; i < 5000; ++i) {
    english += order.at(i).source == 0 ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(english), 0.75 * static_cast<double>(i + 1), 1.0);
    EXPECT_EQ(order.drawn(0, i + 1), english);
  }
}

TEST(DataOrder, CarriesTheOrdinalAcrossPhases) {
  const DataOrder order = two_sources();
  std::vector<std::vector<SampleAddress>> shown(2);
  for (int64_t i = 0; i < 95000; ++i) {
    const SampleAddress address = order.at(i);
    shown[static_cast<size_t>(address.source)].push_back(address);
  }
  EXPECT_EQ(order.at(94000).source, 1);
  for (const auto& list : shown) {
    int64_t windows = &list == &shown[0] ? 1000 : 37;
    for (size_t k = 0; k < list.size(); ++k)
      EXPECT_EQ(list[k].epoch, static_cast<int64_t>(k) / windows);
  }
}

TEST(DataOrder, IsInvertible) {
  const DataOrder order = two_sources();
  for (int64_t i : {0, 1, 4999, 5000, 65535, 65536, 89999, 90000, 200000}) {
    EXPECT_EQ(order.find(order.at(i), i + 1), i);
    EXPECT_EQ(order.find(order.at(i), i), -1);
  }
}

TEST(DataOrder, FindsEverySampleThatShowsAWindowAgain) {
  const DataOrder order =
      DataOrder::make(7, {{"en", 40}, {"de", 7}}, {{0, {3, 1}}, {30, {3, 1}, uint64_t{8}}})
          .take_value();
  int64_t again = 0;
  for (int64_t i = 0; i < 300; ++i) {
    std::vector<int64_t> shown;
    for (int64_t j = 0; j < 200; ++j)
      if (order.at(j) == order.at(i)) shown.push_back(j);
    EXPECT_EQ(order.find_all(order.at(i), 200), shown) << i;
    again += shown.size() > 1 ? 1 : 0;
  }
  EXPECT_GT(again, 0);
}

TEST(DataOrder, RefusesWhatCannotBeOrdered) {
  EXPECT_FALSE(DataOrder::make(1, {{"a", 0}}, {{0, {1}}}).ok());
  EXPECT_FALSE(DataOrder::make(1, {{"a", 5}, {"a", 5}}, {{0, {1, 1}}}).ok());
  EXPECT_FALSE(DataOrder::make(1, {{"a", 5}}, {{0, {0}}}).ok());
  EXPECT_FALSE(DataOrder::make(1, {{"a", 5}}, {{0, {1}}, {0, {1}}}).ok());
  EXPECT_FALSE(DataOrder::make(1, {{"a", 5}}, {{3, {1}}}).ok());
}

TEST(SkipRanges, MapTheDataIndexPastEveryRange) {
  std::vector<SkipRange> skips;
  for (const SkipRange range : {SkipRange{10, 20}, SkipRange{30, 35}, SkipRange{18, 25}}) {
    add_skip_range(skips, range);
  }
  EXPECT_EQ(sample_of(9, skips), 9);
  EXPECT_EQ(sample_of(10, skips), 25);
  EXPECT_EQ(sample_of(14, skips), 29);
  EXPECT_EQ(sample_of(15, skips), 35);
}

TEST(SkipRanges, GiveTheDataIndexBack) {
  const std::vector<SkipRange> skips = {{10, 25}, {30, 35}};
  for (int64_t consumed = 0; consumed < 40; ++consumed)
    EXPECT_EQ(consumed_before(sample_of(consumed, skips), skips), consumed);
  EXPECT_EQ(consumed_before(10, skips), std::nullopt);
  EXPECT_EQ(consumed_before(34, skips), std::nullopt);
}

TEST(OrderLaw, TakesDroppedSourcesOutFromTheirSampleOn) {
  const std::vector<DataSource> sources = {{"en", 1000}, {"de", 37}};
  const OrderLaw law{7, {{0, {3, 1}}, {500, {1, 1}}}};
  const DataOrder plain = make_order(law, sources).take_value();
  const DataOrder dropped =
      make_order(law, sources, {{"de", 100}, {"no longer there", 3}}).take_value();
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(dropped.at(i), plain.at(i));
  for (int64_t i = 100; i < 900; ++i) EXPECT_EQ(dropped.at(i).source, 0);
  EXPECT_FALSE(make_order(law, sources, {{"de", 100}, {"en", 300}}).ok());
}

TEST(DataOrder, APhaseWithASeedReordersFromThereOnAndCountsOn) {
  const std::vector<DataSource> sources = {{"en", 1000}, {"de", 37}};
  const DataOrder plain = DataOrder::make(7, sources, {{0, {3, 1}}, {500, {3, 1}}}).take_value();
  const DataOrder seeded =
      DataOrder::make(7, sources, {{0, {3, 1}}, {500, {3, 1}, uint64_t{8}}}).take_value();
  int64_t different = 0;
  for (int64_t i = 0; i < 1500; ++i) {
    const SampleAddress a = plain.at(i), b = seeded.at(i);
    EXPECT_EQ(a.source, b.source);
    EXPECT_EQ(a.epoch, b.epoch);
    if (i < 500) {
      EXPECT_EQ(a, b);
    }
    different += a == b ? 0 : 1;
    const int64_t found = seeded.find(b, 1500);
    EXPECT_EQ(seeded.at(found), b);
  }
  EXPECT_GT(different, 900);
  EXPECT_EQ(plain.phase_index(499), 0);
  EXPECT_EQ(plain.phase_index(500), 1);
}

}  // namespace
}  // namespace ballast
