#include "tools/gradstat/series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ballast {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool holds(const std::vector<size_t>& keep, size_t i) {
  return std::find(keep.begin(), keep.end(), i) != keep.end();
}

TEST(Thinned, KeepsEverythingThatIsShort) {
  const std::vector<double> values = {3, 1, 2};
  EXPECT_EQ(thinned({&values}, 3, 2), (std::vector<size_t>{0, 1, 2}));
}

TEST(Thinned, KeepsEveryExtremeOfEveryCurveAndBothEnds) {
  std::vector<double> flat(10000, 2.0), other(10000, 1.0);
  flat[4321] = 9;
  flat[777] = -1;
  other[4322] = 50;
  const std::vector<size_t> keep = thinned({&flat, &other}, flat.size(), 100);
  EXPECT_LE(keep.size(), 402u);
  for (const size_t i : {size_t{0}, size_t{777}, size_t{4321}, size_t{4322}, size_t{9999}})
    EXPECT_TRUE(holds(keep, i)) << i;
  EXPECT_TRUE(std::is_sorted(keep.begin(), keep.end()));
}

TEST(Thinned, SeesThroughGapsAtTheStartOfABucket) {
  std::vector<double> values(1000, 1.0);
  for (size_t i = 500; i < 509; ++i) values[i] = kNan;
  values[509] = 7;
  EXPECT_TRUE(holds(thinned({&values}, values.size(), 100), 509));
}

// The mean of the last finite values, summed afresh for each.
std::vector<double> slow_mean(const std::vector<double>& values, size_t width) {
  std::vector<double> result(values.size(), kNan);
  for (size_t i = 0; i < values.size(); ++i) {
    double sum = 0;
    int count = 0;
    for (size_t k = i + 1 >= width ? i + 1 - width : 0; k <= i; ++k) {
      if (!std::isfinite(values[k])) continue;
      sum += values[k];
      ++count;
    }
    if (std::isfinite(values[i])) result[i] = sum / count;
  }
  return result;
}

TEST(Smoothed, IsTheTrailingMeanOverFiniteValues) {
  std::vector<double> values;
  for (int i = 0; i < 57; ++i) values.push_back(i % 11 == 3 ? kNan : std::sin(i) + i * 0.1);
  for (const size_t width : {2u, 3u, 7u, 56u, 57u, 58u, 500u}) {
    const std::vector<double> fast = smoothed(values, static_cast<int64_t>(width));
    const std::vector<double> slow = slow_mean(values, width);
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(slow[i]))
        EXPECT_TRUE(std::isnan(fast[i])) << width << " " << i;
      else
        EXPECT_NEAR(fast[i], slow[i], 1e-12) << width << " " << i;
    }
  }
}

TEST(Smoothed, ForgetsAnEnormousValueOnceItHasLeft) {
  std::vector<double> values(40, 0.25);
  values[10] = 1e30;
  const std::vector<double> mean = smoothed(values, 4);
  EXPECT_EQ(mean[9], 0.25);
  EXPECT_GT(mean[13], 1e29);
  for (size_t i = 14; i < values.size(); ++i) EXPECT_EQ(mean[i], 0.25) << i;
}

// Ten steps of one segment, a branch of it that was left from step 7 on, and its successor.
RunHistory branched() {
  RunHistory history;
  const auto add = [&](int64_t segment, int64_t step, int64_t tokens, double loss, bool surviving) {
    StepRow row;
    row.segment = segment;
    row.step = step;
    row.tokens = tokens;
    row.loss = loss;
    row.norm = 1;
    row.norm_clipped = row.threshold = row.lr = row.tokens_per_s = kNan;
    row.has_loss = row.has_norm = true;
    row.surviving = surviving;
    history.rows.push_back(row);
  };
  for (int64_t step = 1; step <= 6; ++step) add(0, step, step * 100, 3, true);
  add(0, 7, 700, 9, false);
  add(0, 8, 800, kNan, false);
  for (int64_t step = 7; step <= 10; ++step) add(1, step, 600 + (step - 6) * 50, 2.5, true);
  history.events.push_back({0, 0, 8, "nan", "loss", Json()});
  history.events.push_back({1, 0, 8, "phase", "web", Json()});
  history.events.push_back({1, 0, 9, "checkpoint", "", Json()});
  return history;
}

TEST(Curves, WhatWasLeftStandsApartAndNonFiniteStepsOfAllBranchesAreListed) {
  const Curves c = curves_of(branched(), {}, {});
  EXPECT_EQ(c.x, (std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(c.abandoned_x, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(c.abandoned_loss[0], 9);
  EXPECT_EQ(c.nonfinite_x, (std::vector<int64_t>{8}));
  ASSERT_EQ(c.marks.size(), 2u);  // checkpoints are none
  EXPECT_TRUE(c.marks[1].phase);
}

TEST(Curves, OverTokensMarksStandWhereTheirOwnSegmentWas) {
  CurveOptions options;
  options.axis = XAxis::tokens;
  const Curves c = curves_of(branched(), {}, options);
  EXPECT_EQ(c.x.front(), 100);
  EXPECT_EQ(c.x.back(), 800);
  ASSERT_EQ(c.marks.size(), 2u);
  EXPECT_EQ(c.marks[0].x, 700);  // step 8 of segment 1
  EXPECT_EQ(c.marks[1].x, 800);  // step 8 of segment 0
  options.from = 500;
  options.to = 650;
  EXPECT_EQ(curves_of(branched(), {}, options).x, (std::vector<int64_t>{500, 600, 650}));
}

TEST(Curves, ATraceWithoutTokensSaysSo) {
  RunHistory history = branched();
  EXPECT_TRUE(has_tokens(history));
  for (StepRow& row : history.rows) row.tokens = 0;
  EXPECT_FALSE(has_tokens(history));
}

}  // namespace
}  // namespace ballast
