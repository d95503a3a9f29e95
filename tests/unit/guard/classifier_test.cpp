#include "libcore/guard/classifier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ballast {
namespace {

struct Data {
  std::vector<int64_t> steps, events;
  std::vector<double> loss, norm;
  std::vector<uint8_t> absent;

  void add(double value, double grad_norm = 0.25) {
    steps.push_back(steps.empty() ? 1 : steps.back() + 1);
    loss.push_back(value);
    norm.push_back(grad_norm);
    absent.push_back(0);
  }
  // Around `level` with a robust deviation of about 0.02.
  void flat(int64_t count, double level) {
    for (int64_t i = 0; i < count; ++i)
      add(level + 0.02 * std::sin(static_cast<double>(i) * 2.1),
          0.25 + 0.01 * std::cos(static_cast<double>(i)));
  }
  std::vector<Incident> classify() const {
    return ballast::classify({steps, loss, norm, absent, events});
  }
};

TEST(Classifier, QuietCurveHasNoIncident) {
  Data data;
  data.flat(3000, 2.2);
  EXPECT_TRUE(data.classify().empty());
}

// The first spike of BLOOM 176B, from its public chronicles.
TEST(Classifier, FindsTheBloomSpikeWithTheNormInTheLead) {
  Data data;
  data.steps.push_back(30613);
  data.loss.push_back(2.2);
  data.norm.push_back(.25);
  data.absent.push_back(0);
  data.flat(600, 2.2);
  ASSERT_EQ(data.steps.back(), 31213);
  data.add(2.198845, .242);
  data.add(2.220424, .947);
  data.add(2.595213, 2.390);
  data.add(2.241558, 15.886);
  data.add(2.345279, 145.119);
  data.add(5.098124, 960.351);
  data.add(3.492029, 353.201);
  data.add(3.213059, 379.330);
  data.add(2.804948, 650.246);
  while (data.steps.back() < 31249)
    data.add(2.8 - 0.02 * static_cast<double>(data.steps.back() - 31222), 1);
  data.add(2.215699, .267);
  data.add(2.235667, .205);
  data.flat(100, 2.2);
  const std::vector<Incident> incidents = data.classify();
  ASSERT_EQ(incidents.size(), 1u);
  const Incident& spike = incidents[0];
  EXPECT_EQ(spike.onset, 31216);
  EXPECT_EQ(spike.type, IncidentType::recoverable);
  EXPECT_FALSE(spike.provisional);
  EXPECT_EQ(spike.peak_step, 31219);
  EXPECT_EQ(spike.peak, 5.098124);
  EXPECT_EQ(spike.norm_onset, 31215);
  EXPECT_EQ(spike.lead, 1);
  EXPECT_EQ(spike.norm_peak, 960.351);
  EXPECT_GE(spike.recovery, 31240);
  EXPECT_LE(spike.recovery, 31251);
}

TEST(Classifier, SettlingHigherIsLingering) {
  Data data;
  data.flat(600, 2.2);
  for (int i = 0; i < 30; ++i) data.add(5.0 - 0.08 * i, 9);
  data.flat(1500, 2.5);
  const std::vector<Incident> incidents = data.classify();
  ASSERT_EQ(incidents.size(), 1u);
  EXPECT_EQ(incidents[0].type, IncidentType::lingering);
  EXPECT_EQ(incidents[0].onset, 601);
  EXPECT_FALSE(incidents[0].provisional);
  EXPECT_NEAR(incidents[0].settled, 2.5, 0.02);
  EXPECT_EQ(incidents[0].recovery, -1);
}

TEST(Classifier, StayingNearThePeakOrGrowingIsDivergent) {
  Data high;
  high.flat(600, 2.2);
  high.flat(1500, 7.0);
  ASSERT_EQ(high.classify().size(), 1u);
  EXPECT_EQ(high.classify()[0].type, IncidentType::divergent);

  Data growing;
  growing.flat(600, 2.2);
  for (int i = 0; i < 10; ++i) growing.add(8);
  for (int i = 0; i < 1500; ++i) growing.add(2.6 + 0.0005 * i);
  ASSERT_GE(growing.classify().size(), 1u);
  EXPECT_EQ(growing.classify()[0].type, IncidentType::divergent);
}

TEST(Classifier, NaNWithoutEndIsDivergentAndASingleOneIsNot) {
  Data ended;
  ended.flat(600, 2.2);
  for (int i = 0; i < 40; ++i) ended.add(NAN, NAN);
  ASSERT_EQ(ended.classify().size(), 1u);
  EXPECT_EQ(ended.classify()[0].type, IncidentType::divergent);
  EXPECT_TRUE(ended.classify()[0].nonfinite);
  EXPECT_TRUE(ended.classify()[0].provisional);

  Data single;
  single.flat(600, 2.2);
  single.add(NAN, NAN);
  single.flat(100, 2.2);
  ASSERT_EQ(single.classify().size(), 1u);
  EXPECT_EQ(single.classify()[0].type, IncidentType::recoverable);
  EXPECT_TRUE(single.classify()[0].nonfinite);
  EXPECT_EQ(single.classify()[0].onset, 601);
  EXPECT_EQ(single.classify()[0].recovery, 602);
}

TEST(Classifier, OneHighStepNeedsASecondVoteUnlessItIsFarAbove) {
  Data one;
  one.flat(600, 2.2);
  one.add(2.6);
  one.flat(300, 2.2);
  EXPECT_TRUE(one.classify().empty());
  one.loss[600] = 3.5;  // over 1.5 b
  EXPECT_EQ(one.classify().size(), 1u);
}

TEST(Classifier, AnEventMovesTheLevelWithoutAnIncident) {
  Data data;
  data.flat(600, 2.2);
  data.flat(600, 2.9);
  EXPECT_EQ(data.classify().size(), 1u);
  data.events = {601};
  EXPECT_TRUE(data.classify().empty());
  data.loss[610] = NAN;  // still seen while suppressed
  ASSERT_EQ(data.classify().size(), 1u);
  EXPECT_EQ(data.classify()[0].onset, 611);
}

TEST(Classifier, VerdictIsProvisionalUntilEnoughStepsAreSeen) {
  Data data;
  data.flat(600, 2.2);
  data.flat(200, 4.0);
  ASSERT_EQ(data.classify().size(), 1u);
  EXPECT_TRUE(data.classify()[0].provisional);
  EXPECT_EQ(data.classify()[0].recovery, -1);
}

TEST(Classifier, AbsentLossesAreNotNonFiniteOnes) {
  Data data;
  data.flat(600, 2.2);
  data.add(NAN, NAN);
  data.absent.back() = 1;
  data.flat(200, 2.2);
  EXPECT_TRUE(data.classify().empty());
}

}  // namespace
}  // namespace ballast
