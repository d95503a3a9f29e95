#include "libcore/stats/calm_series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/rng.h"
#include "libcore/stats/robust.h"

namespace ballast {
namespace {

const std::vector<int64_t> kOnce = {0};

std::vector<double> noise(size_t n, double rho = 0) {
  std::vector<double> values;
  double last = 0;
  for (size_t i = 0; i < n; ++i) {
    last = rho * last + std::sqrt(1 - rho * rho) * random_normal(3, 1, i);
    values.push_back(last);
  }
  return values;
}

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

TEST(CalmModel, TakesASeriesApart) {
  const std::vector<double> x = {1, 2, 3, 2, 1, 2, 3, 2, 1};
  const CalmModel model = calm_model(x, kOnce, 5, 0.6);
  EXPECT_EQ(model.level, (std::vector<double>{1, 2, 2, 2, 2, 2, 2, 2, 1}));
  // Distances 0 0 1 0 1 0 1 0 0: two or, in the middle, three of five are 1. sqrt(pi/2) times 0.4
  // is below the floor.
  for (size_t t = 0; t < x.size(); ++t) {
    EXPECT_NEAR(model.scale[t], t == 4 ? 0.6 * 1.2533141373155 : 0.6, 1e-12);
    EXPECT_NEAR(model.level[t] + model.scale[t] * model.residual[t], x[t], 1e-15);
  }
}

// 60 % of the values are the same, as in a log that rounds: the scale is that of the others.
TEST(CalmModel, HasAScaleWhereMostValuesAreTheSame) {
  std::vector<double> x;
  for (int i = 0; i < 500; ++i) x.push_back(i % 5 == 0 ? 1 : i % 5 == 2 ? -1 : 0);
  const CalmModel model = calm_model(x, kOnce, 100, 1e-3);
  EXPECT_NEAR(model.scale[250], 0.4 * 1.2533141373155, 0.01);
}

// The median around a point of a line is that point; of a saw it is so only if no window reaches
// over a tooth.
TEST(CalmModel, DoesNotLookAcrossABreak) {
  std::vector<double> x;
  for (int i = 0; i < 60; ++i) x.push_back(i % 30);
  EXPECT_EQ(calm_model(x, std::vector<int64_t>{0, 30}, 21, 0.1).level, x);
  EXPECT_NE(calm_model(x, kOnce, 21, 0.1).level, x);
}

TEST(Shuffled, KeepsTheValuesAndNotTheOrder) {
  const CalmModel model{std::vector<double>(1000, 0), std::vector<double>(1000, 1), noise(1000)};
  const std::vector<double> once = shuffled(model, 1, 7, 0);
  EXPECT_EQ(sorted(once), sorted(model.residual));
  EXPECT_NE(once, model.residual);
  EXPECT_EQ(once, shuffled(model, 1, 7, 0));
  EXPECT_NE(once, shuffled(model, 1, 7, 1));
  EXPECT_NE(once, shuffled(model, 1, 8, 0));
}

// 997 values in blocks of 10: the last block is shorter, and neighbours part only where blocks do.
TEST(Shuffled, KeepsNeighboursOfABlockTogether) {
  std::vector<double> count(997);
  for (size_t i = 0; i < count.size(); ++i) count[i] = static_cast<double>(i);
  const CalmModel model{std::vector<double>(997, 0), std::vector<double>(997, 1), count};
  const std::vector<double> x = shuffled(model, 10, 1, 0);
  EXPECT_EQ(sorted(x), count);
  int64_t parted = 0;
  for (size_t i = 1; i < x.size(); ++i)
    if (x[i] != x[i - 1] + 1 && !(x[i] == 0 && x[i - 1] == 996)) ++parted;
  EXPECT_GT(parted, 80);
  EXPECT_LE(parted, 99);
}

TEST(Shuffled, PutsTheValuesOnTheTrendOfTheirNewPlace) {
  CalmModel model{std::vector<double>(500, 0), std::vector<double>(500, 1), noise(500)};
  for (size_t t = 250; t < 500; ++t) {
    model.level[t] = 100;
    model.scale[t] = 0.5;
  }
  const std::vector<double> x = shuffled(model, 1, 1, 0);
  std::vector<double> back;
  for (size_t t = 0; t < 500; ++t) back.push_back((x[t] - model.level[t]) / model.scale[t]);
  const std::vector<double> found = sorted(back), all = sorted(model.residual);
  for (size_t t = 0; t < 500; ++t) EXPECT_NEAR(found[t], all[t], 1e-12);
}

// 40,000 values: the correlation is estimated to sqrt((1 - 0.36)/40000) = 0.004, the deviation to
// about 0.5 %.
TEST(Simulated, HasTheScaleAndTheCorrelation) {
  const size_t n = 40000;
  CalmModel model{std::vector<double>(n, 5), std::vector<double>(n, 0.2), std::vector<double>(n)};
  model.correlation = 0.6;
  const std::vector<double> x = simulated(model, 1, 0);
  EXPECT_NEAR(autocorrelation(x, 1), 0.6, 0.016);
  EXPECT_NEAR(autocorrelation(x, 2), 0.36, 0.02);
  const RobustLevel level = robust_level(x);
  EXPECT_NEAR(level.center, 5, 0.012);
  EXPECT_NEAR(level.scale, 0.2, 0.006);
  EXPECT_EQ(x, simulated(model, 1, 0));
  EXPECT_NE(x, simulated(model, 1, 1));
}

TEST(ShuffleBlock, GrowsWithTheCorrelation) {
  EXPECT_EQ(shuffle_block(calm_model(noise(4000), kOnce, 501, 1e-3)), 1);
  const CalmModel bound = calm_model(noise(4000, 0.6), kOnce, 501, 1e-3);
  EXPECT_NEAR(bound.correlation, 0.6, 0.05);
  EXPECT_EQ(bound.lag, 4);  // 0.6^3 is 0.22, 0.6^4 0.13
  EXPECT_EQ(shuffle_block(bound), 40);
  CalmModel endless;
  endless.residual.resize(80);
  EXPECT_EQ(shuffle_block(endless), 10);
}

}  // namespace
}  // namespace ballast
