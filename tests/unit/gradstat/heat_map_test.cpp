#include "tools/gradstat/heat_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tools/gradstat/layer_table.h"

namespace ballast {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(HeatScale, IsLogarithmicFromADecadeOn) {
  EXPECT_TRUE(heat_scale(std::vector<double>{1, 10}).logarithmic);
  EXPECT_FALSE(heat_scale(std::vector<double>{1, 9.9}).logarithmic);
  EXPECT_FALSE(heat_scale(std::vector<double>{0, 100}).logarithmic);
  EXPECT_FALSE(heat_scale(std::vector<double>{-1, 100}).logarithmic);
}

TEST(HeatScale, PassesOverWhatIsNotFiniteAndOpensAPoint) {
  const HeatScale scale = heat_scale(std::vector<double>{kNan, 2, INFINITY, 4});
  EXPECT_EQ(scale.low, 2);
  EXPECT_EQ(scale.high, 4);
  const HeatScale point = heat_scale(std::vector<double>{3, 3});
  EXPECT_LT(point.low, 3);
  EXPECT_GT(point.high, 3);
}

TEST(HeatScale, OfRatiosIsSymmetricAroundOneAndNeverNarrow) {
  const HeatScale scale = relative_scale(std::vector<double>{0.5, 1, 8});
  EXPECT_DOUBLE_EQ(scale.low * scale.high, 1);
  EXPECT_EQ(scale.high, 8);
  EXPECT_EQ(relative_scale(std::vector<double>{1.01, 0.99}).high, 1.5);
}

TEST(HeatPalette, GreyRisesEvenly) {
  double last = -1;
  const auto palette = heat_palette(64);
  for (const std::array<int, 3>& c : palette) {
    const double grey = 0.30 * c[0] + 0.59 * c[1] + 0.11 * c[2];
    EXPECT_GT(grey, last);
    if (last >= 0) {
      EXPECT_NEAR(grey - last, 255 * 0.86 / 63, 2.0);
    }
    last = grey;
  }
}

LayerValues layers_at(int64_t segment, int64_t step, std::vector<double> residual) {
  return {segment, step, {{"residual", std::move(residual)}}};
}

// Segment 0 until step 8, of which 7 and 8 were left; segment 1 goes on from step 6.
RunHistory branched() {
  RunHistory history;
  Segment first, second;
  second.id = 1;
  second.parent = 0;
  second.parent_step = 6;
  history.segments = {first, second};
  for (int64_t step = 1; step <= 8; ++step)
    history.layer_values.push_back(layers_at(0, step, {1, step < 7 ? 2.0 : 40.0}));
  for (int64_t step = 7; step <= 9; ++step)
    history.layer_values.push_back(layers_at(1, step, {1, 2}));
  return history;
}

TEST(HeatMaps, HaveALineForWhatSurvivedAndOneForWhatWasLeft) {
  const HeatMaps maps = heat_maps(branched(), XAxis::step, 100);
  ASSERT_EQ(maps.lines.size(), 2u);
  const auto steps = [&](const HeatLine& line) {
    std::vector<std::pair<int64_t, int64_t>> found;
    for (const size_t c : line.columns)
      found.emplace_back(maps.columns[c].segment, maps.columns[c].first);
    return found;
  };
  EXPECT_EQ(steps(maps.lines[0]),
            (std::vector<std::pair<int64_t, int64_t>>{
                {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {1, 7}, {1, 8}, {1, 9}}));
  EXPECT_EQ(steps(maps.lines[1]).back(), (std::pair<int64_t, int64_t>{0, 8}));
  EXPECT_EQ(maps.lines[1].columns.size(), 8u);
}

TEST(HeatMaps, ThinnedColumnsKeepTheHighestAndNeverMixBranches) {
  const HeatMaps maps = heat_maps(branched(), XAxis::step, 2);
  ASSERT_EQ(maps.columns.size(), 3u);  // 1 to 6, 7 and 8 that were left, 7 to 9
  EXPECT_EQ(maps.columns[0].last, 6);
  EXPECT_EQ(maps.quantities[0].values[1], (std::vector<double>{2, 40, 2}));
  EXPECT_EQ(maps.quantities[0].relative[1], (std::vector<double>{1, 20, 1}));
}

TEST(HeatMaps, OfEntropyThinnedColumnsKeepTheLowest) {
  RunHistory history;
  for (int64_t step = 1; step <= 4; ++step)
    history.layer_values.push_back({0, step, {{"attn_entropy_min", {step == 3 ? 0.1 : 2.0}}}});
  const HeatMaps maps = heat_maps(history, XAxis::step, 1);
  EXPECT_EQ(maps.quantities[0].values[0], (std::vector<double>{0.1}));
}

TEST(HeatMaps, RecordsWithFewerLayersLeaveGaps) {
  RunHistory history;
  history.layer_values.push_back(layers_at(0, 1, {1}));
  history.layer_values.push_back(layers_at(0, 2, {1, 5}));
  const HeatMaps maps = heat_maps(history, XAxis::step, 10);
  ASSERT_EQ(maps.quantities[0].values.size(), 2u);
  EXPECT_TRUE(std::isnan(maps.quantities[0].values[1][0]));
  EXPECT_EQ(maps.quantities[0].values[1][1], 5);
}

TEST(LayerTable, ComparesTheIncidentWithTheRecordsBeforeItOnItsBranch) {
  RunIncident incident;
  incident.segment = 0;
  incident.first = incident.onset = 7;
  incident.last = 8;
  const LayerTable table = layer_table(branched(), incident);
  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.at_steps, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(table.before_steps, (std::vector<int64_t>{2, 3, 4, 5, 6}));
  EXPECT_EQ(table.rows[0].layers[1].before, 2);
  EXPECT_EQ(table.rows[0].layers[1].at, 40);
  EXPECT_EQ(table.rows[0].layers[1].ratio, 20);
  EXPECT_EQ(change_sentence(table), "layer 1, residual stream: norm: 2 -> 40 (x 20) at step 7");
}

TEST(LayerTable, ASegmentThatJustBeganLooksBackIntoItsParent) {
  RunIncident incident;
  incident.segment = 1;
  incident.first = incident.onset = incident.last = 7;
  const LayerTable table = layer_table(branched(), incident);
  ASSERT_FALSE(table.empty());
  EXPECT_EQ(table.before_steps.back(), 6);  // not the 7 and 8 that were left
}

TEST(LayerTable, IsEmptyWithoutRecordsAtTheIncident) {
  RunIncident incident;
  incident.first = incident.onset = incident.last = 100;
  EXPECT_TRUE(layer_table(branched(), incident).empty());
}

}  // namespace
}  // namespace ballast
