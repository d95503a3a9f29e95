#include "libcore/stats/spike_scores.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace ballast {
namespace {

nlohmann::json golden() {
  std::ifstream file(std::string(BALLAST_SOURCE_DIR) + "/tests/golden/stats/spike_scores.json");
  return nlohmann::json::parse(file);
}

// Relative rounding of means over 128 values, twice, of numbers that cancel by a factor of 40.
constexpr double kTolerance = 1e-12;

TEST(WindowScore, AgreesWithNumPyBeforeTheValueAndWithIt) {
  const nlohmann::json g = golden();
  WindowScore population({128, false, false}), sample({128, false, true});
  WindowScore inclusive({128, true, false});
  std::vector<int64_t> flagged;
  for (size_t i = 0; i < g["values"].size(); ++i) {
    const double value = g["values"][i];
    const double p = population.observe(value), s = sample.observe(value);
    const double own = inclusive.observe(value);
    if (p > 6) flagged.push_back(static_cast<int64_t>(i));
    if (i < 128) {
      EXPECT_TRUE(std::isnan(p) && std::isnan(s) && std::isnan(own)) << i;
      continue;
    }
    EXPECT_NEAR(p, g["population"][i - 128], kTolerance * std::max(1.0, std::abs(p)));
    EXPECT_NEAR(s, g["sample"][i - 128], kTolerance * std::max(1.0, std::abs(s)));
    EXPECT_NEAR(own, g["inclusive"][i - 128], kTolerance * std::max(1.0, std::abs(own)));
    if (i == 200) {
      EXPECT_NEAR(p, 19.612168, 5e-7);
      EXPECT_NEAR(s, 19.535407, 5e-7);
      EXPECT_NEAR(own, 9.762923, 5e-7);
    }
    if (i == 201) {
      EXPECT_NEAR(p, 8.773724, 5e-7);
      EXPECT_NEAR(s, 8.739384, 5e-7);
    }
  }
  EXPECT_EQ(flagged, (std::vector<int64_t>{200, 201}));
}

TEST(WindowScore, IsZeroOnAFlatLineAndKeepsWhatIsNotFiniteOut) {
  WindowScore score({4, false, false});
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(std::isnan(score.observe(2)));
  EXPECT_EQ(score.observe(5), 0);  // deviation 0: never
  EXPECT_TRUE(std::isnan(score.observe(NAN)));
  EXPECT_TRUE(std::isnan(score.observe(INFINITY)));
  // 2 2 2 5: mean 2.75, deviation sqrt(27)/4.
  EXPECT_NEAR(score.observe(2.75 + std::sqrt(27.0) / 4), 1, 1e-15);
}

TEST(OlmoSpikeScore, CountsBothSidesFromTheFirstFullWindowOn) {
  OlmoSpikeScore score;
  // Alternating 1 and 3: mean 2, deviation 1.
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(score.observe(i % 2 == 0 ? 1 : 3));
  EXPECT_TRUE(std::isnan(score.count().percent()));
  EXPECT_TRUE(score.observe(9));  // exactly 7: at least
  EXPECT_TRUE(score.observe(-20));
  EXPECT_FALSE(score.observe(2));
  EXPECT_FALSE(score.observe(NAN));
  EXPECT_EQ(score.count().tested, 3);
  EXPECT_EQ(score.count().hits, 2);
  EXPECT_EQ(score.count().nonfinite, 1);
  EXPECT_NEAR(score.count().percent(), 200.0 / 3, 1e-12);
}

TEST(OlmoCoreMonitor, AsksForMoreThanSixDeviationsOfLossOrNorm) {
  OlmoCoreMonitor monitor;
  for (int i = 0; i < 128; ++i) EXPECT_FALSE(monitor.observe(i % 2 == 0 ? 1 : 3, 5));
  EXPECT_EQ(monitor.count().tested, 0);
  EXPECT_FALSE(monitor.observe(8, 5));     // exactly 6: not above
  EXPECT_FALSE(monitor.observe(2, 1000));  // norms without deviation: never
  EXPECT_TRUE(monitor.observe(9, 5));
  EXPECT_EQ(monitor.count().tested, 3);
  EXPECT_EQ(monitor.count().hits, 1);
  for (int i = 0; i < 9999; ++i) monitor.observe(2, 5);
  EXPECT_GT(monitor.recent_percent(), 0);
  monitor.observe(2, 5);
  EXPECT_EQ(monitor.recent_percent(), 0);
  EXPECT_EQ(monitor.count().hits, 1);
}

TEST(OlmoCoreMonitor, FollowsTheNormWhereThereIsNoLossAndTheOtherWay) {
  OlmoCoreMonitor norms, losses;
  for (int i = 0; i < 128; ++i) {
    norms.observe(NAN, i % 2 == 0 ? 1 : 3);
    losses.observe(i % 2 == 0 ? 1 : 3, NAN);
  }
  EXPECT_TRUE(norms.observe(NAN, 9));
  EXPECT_TRUE(losses.observe(9, NAN));
}

TEST(LlmcScore, CannotExceedItsBound) {
  LlmcScore score;
  for (int i = 0; i < 128; ++i) EXPECT_FALSE(score.observe(1 + 1e-3 * (i % 2)));
  EXPECT_TRUE(std::isnan(score.largest()));  // the ring was not full before
  EXPECT_TRUE(score.observe(1e9));
  EXPECT_NEAR(score.largest(), std::sqrt(127.0), 1e-9);
  EXPECT_EQ(score.count().tested, 1);
  EXPECT_EQ(score.count().hits, 1);
}

TEST(WindowScore, OfTheSampleIsBoundTooWhenTheValueIsInside) {
  WindowScore sample({128, true, true});
  for (int i = 0; i < 128; ++i) sample.observe(1 + 1e-3 * (i % 2));
  EXPECT_NEAR(sample.observe(1e9), 127 / std::sqrt(128.0), 1e-9);  // 11.225
}

TEST(LossJumpRule, NeedsTwiceTheLowestLossOfLessThanAHundredSteps) {
  LossJumpRule rule;
  rule.observe(1, 2.1);
  for (int64_t step = 2; step <= 99; ++step) EXPECT_FALSE(rule.observe(step, 3));
  EXPECT_TRUE(rule.observe(100, 4.2));   // 99 steps after 2.1
  EXPECT_FALSE(rule.observe(101, 4.2));  // 100 steps after it
  EXPECT_EQ(rule.jumps(), 1);
  EXPECT_EQ(rule.largest(), 2);
  EXPECT_TRUE(rule.observe(150, 6));  // the same jump
  EXPECT_EQ(rule.jumps(), 1);
  EXPECT_EQ(rule.steps(), 2);
  rule.observe(300, 3);
  EXPECT_TRUE(rule.observe(301, 900));  // beyond 100 times
  EXPECT_EQ(rule.jumps(), 2);
  EXPECT_EQ(rule.largest(), 300);
}

TEST(LossJumpRule, PassesOverWhatIsNotFiniteOrNotPositive) {
  LossJumpRule rule;
  EXPECT_FALSE(rule.observe(1, NAN));
  EXPECT_FALSE(rule.observe(2, 0));
  EXPECT_FALSE(rule.observe(3, 5));
  EXPECT_FALSE(rule.observe(4, INFINITY));
  EXPECT_EQ(rule.jumps(), 0);
}

TEST(SpikeScores, FeedsEveryRuleOnce) {
  SpikeScores scores;
  for (int64_t step = 1; step <= 1200; ++step)
    scores.observe(step, step == 1100 ? 9.0 : 2 + 0.01 * std::sin(2.1 * static_cast<double>(step)),
                   step == 1099 ? 50.0 : 1 + 0.01 * std::cos(2.1 * static_cast<double>(step)));
  EXPECT_EQ(scores.steps, 1200);
  EXPECT_EQ(scores.olmo_loss.count().hits, 1);
  EXPECT_EQ(scores.olmo_norm.count().hits, 1);
  EXPECT_EQ(scores.olmo_core.count().hits, 2);
  EXPECT_EQ(scores.llmc_loss.count().hits, 1);
  EXPECT_EQ(scores.llmc_norm.count().hits, 1);
  EXPECT_EQ(scores.jump.jumps(), 1);
}

}  // namespace
}  // namespace ballast
