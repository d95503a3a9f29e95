#include "libcore/guard/detector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace ballast {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// NumPy's RandomState(seed).normal(): Mersenne Twister, 53-bit doubles, Marsaglia's polar method.
class NumpyNormal {
 public:
  explicit NumpyNormal(uint32_t seed) : twister_(seed) {}
  double next() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double x = 0, y = 0, r = 0;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      r = x * x + y * y;
    } while (r >= 1 || r == 0);
    const double f = std::sqrt(-2 * std::log(r) / r);
    spare_ = f * x;
    has_spare_ = true;
    return f * y;
  }

 private:
  double uniform() {
    const auto a = static_cast<double>(twister_() >> 5);
    const auto b = static_cast<double>(twister_() >> 6);
    return (a * 67108864.0 + b) / 9007199254740992.0;
  }
  std::mt19937 twister_;
  bool has_spare_ = false;
  double spare_ = 0;
};

std::vector<double> synthetic() {
  NumpyNormal normal(0);
  std::vector<double> values(300);
  for (double& value : values) value = 2 + .05 * normal.next();
  values[200] = 3;
  values[201] = 2.9;
  return values;
}

TEST(Detector, FindsTheSyntheticSpikeWithThePublishedScores) {
  const std::vector<double> values = synthetic();
  ASSERT_NEAR(values[0], 2 + .05 * 1.764052345967664, 1e-15);
  Detector detector;
  std::vector<size_t> onsets, high;
  for (size_t i = 0; i < values.size(); ++i) {
    const Verdict verdict = detector.observe(values[i], 1.0);
    if (verdict.onset()) onsets.push_back(i);
    if (verdict.loss.tested && verdict.loss.z > 6) high.push_back(i);
    if (i == 200) {
      EXPECT_NEAR(verdict.loss.z, 19.612168, 0.5001e-6);
    }
    if (i == 201) {
      EXPECT_NEAR(verdict.loss.z, 8.773724, 0.5001e-6);
    }
    detector.accept(values[i], 1.0);
  }
  EXPECT_EQ(onsets, std::vector<size_t>({200}));
  EXPECT_EQ(high, std::vector<size_t>({200, 201}));
}

// The scores that other rules would give: by the sample deviation, and with the value itself in the
// window, which caps them at (n - 1) / sqrt(n).
TEST(Detector, OtherScoresOfTheSyntheticSpikeAreAsPublished) {
  const std::vector<double> values = synthetic();
  const auto moments_of = [&](size_t begin, size_t end) {
    RollingWindow window(128);
    for (size_t i = begin; i < end; ++i) window.push(values[i]);
    return window.moments();
  };
  for (const auto& [at, wanted] : {std::pair<size_t, double>{200, 19.535407}, {201, 8.739384}}) {
    const Moments past = moments_of(at - 128, at);
    const double sample = std::sqrt(past.variance * 128 / 127);
    EXPECT_NEAR((values[at] - past.mean) / sample, wanted, 0.5001e-6);
  }
  const Moments with = moments_of(73, 201);
  EXPECT_NEAR((values[200] - with.mean) / std::sqrt(with.variance), 9.762923, 0.5001e-6);
}

void feed(Detector& detector, int64_t count, double level = 2.0) {
  for (int64_t i = 0; i < count; ++i) {
    const double wobble = 0.02 * std::sin(static_cast<double>(i) * 1.3);
    detector.observe(level + wobble, 1 + wobble);
    detector.accept(level + wobble, 1 + wobble);
  }
}

TEST(Detector, SaysNothingBeforeThirtyTwoValues) {
  Detector detector;
  feed(detector, 31);
  EXPECT_FALSE(detector.observe(100, 100).onset());
  feed(detector, 1);
  const Verdict verdict = detector.observe(100, 100);
  EXPECT_TRUE(verdict.loss.onset);
  EXPECT_TRUE(verdict.norm.onset);
}

TEST(Detector, ReportsNonFiniteValuesAtOnceAndKeepsThemOut) {
  Detector detector;
  EXPECT_TRUE(detector.observe(kNan, 1).loss.nonfinite);
  EXPECT_TRUE(detector.observe(1, std::numeric_limits<double>::infinity()).norm.nonfinite);
  detector.accept(kNan, kNan);
  feed(detector, 40);
  const std::string before = to_json_line(detector.state());
  detector.observe(kNan, kNan);
  detector.accept(kNan, kNan);
  EXPECT_EQ(to_json_line(detector.state()), before);
  EXPECT_TRUE(detector.observe(4, 1).loss.onset);
}

TEST(Detector, OneSpikeIsOneOnset) {
  Detector detector;
  feed(detector, 60);
  int onsets = 0;
  for (const double loss : {3.0, 5.0, 2.0, 4.0, 3.0, 2.5, 2.3}) {
    onsets += detector.observe(loss, 1).onset() ? 1 : 0;
    detector.accept(loss, 1);
  }
  EXPECT_EQ(onsets, 1);
  feed(detector, 200);
  EXPECT_TRUE(detector.observe(3.0, 1).loss.onset);  // the next one is news again
}

TEST(Detector, PersistentFiresOnceAfterFiftyStepsAndThenTheLevelIsNormal) {
  Detector detector;
  feed(detector, 128);
  int persistent_at = -1;
  int count = 0;
  for (int i = 0; i < 200; ++i) {
    const Verdict verdict = detector.observe(3.0 + 0.02 * std::sin(i), 1);
    detector.accept(3.0 + 0.02 * std::sin(i), 1);
    if (!verdict.persistent()) continue;
    persistent_at = i;
    ++count;
  }
  EXPECT_EQ(count, 1);
  EXPECT_EQ(persistent_at, 49);
}

TEST(Detector, SkippedStepsDoNotEnterTheWindow) {
  Detector detector;
  feed(detector, 64);
  const double z = detector.observe(3.0, 1).loss.z;
  EXPECT_EQ(detector.observe(3.0, 1).loss.z, z);  // never accepted
}

TEST(Detector, EventsForgetTheLevel) {
  Detector detector;
  feed(detector, 64);
  detector.on_event();
  EXPECT_FALSE(detector.observe(9, 9).onset());
  feed(detector, 64, 9.0);
  EXPECT_FALSE(detector.observe(9, 1).onset());
}

// The steps after the onset at which a loss (or, `of_norm`, a norm) of this course is persistent,
// from a level of 2 under a noise of 0.015 to its end.
template <class Course>
std::vector<int> persistent_steps(Course course, int steps, bool of_norm = false,
                                  const DetectorSettings& settings = {}) {
  Detector detector(settings);
  feed(detector, 128);
  std::vector<int> found;
  for (int i = 0; i < steps; ++i) {
    const double value = 2 + 0.02 * std::sin(i * 1.3) + course(i);
    const double loss = of_norm ? 2 : value, norm = of_norm ? value / 2 : 1;
    if (detector.observe(loss, norm).persistent()) found.push_back(i);
    detector.accept(loss, norm);
  }
  return found;
}
double decay(double from, int i, double steps) { return from * std::exp(-i / steps); }

TEST(Detector, ASpikeThatComesBackSlowlyIsNotPersistent) {
  const auto none = [](const auto& course, int steps = 600) {
    return persistent_steps(course, steps).empty() && persistent_steps(course, steps, true).empty();
  };
  EXPECT_TRUE(none([](int i) { return decay(3, i, 20); }));
  EXPECT_TRUE(none([](int i) { return decay(3, i, 100); }));
  EXPECT_TRUE(none([](int i) { return decay(0.4, i, 150); }));
  EXPECT_TRUE(none([](int i) { return std::max(0.0, 2.0 * (1 - i / 450.0)); }));
  EXPECT_TRUE(none([](int i) { return 3 / (1 + 0.3 * i); }));
  // 25 steps up, then back.
  EXPECT_TRUE(none([](int i) { return i < 25 ? 0.1 * (i + 1) : decay(2.5, i - 25, 80); }));
}

TEST(Detector, ASecondSpikeBeginsTheCountAnew) {
  for (const int again : {20, 45, 60, 120}) {
    const auto course = [&](int i) {
      return decay(3, i, 60) + (i < again ? 0 : decay(2, i - again, 60));
    };
    EXPECT_TRUE(persistent_steps(course, 600).empty()) << again;
  }
}

TEST(Detector, ALossThatSettlesHigherIsPersistentWhenItsFallStalls) {
  const std::vector<int> found = persistent_steps([](int i) { return 0.5 + decay(2, i, 30); }, 600);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_GT(found[0], 90);   // 2 e^-3 = 0.1 is left, of which the newest values lose the half
  EXPECT_LT(found[0], 180);  // 2 e^-6 = 0.005 is left, under the noise
}

TEST(Detector, WhatRunsAwayIsPersistentAtTheFiftiethStep) {
  EXPECT_EQ(persistent_steps([](int i) { return 0.5 + 0.01 * i; }, 50), std::vector<int>({49}));
  EXPECT_EQ(persistent_steps([](int i) { return 0.3 * std::exp(i / 20.0); }, 50),
            std::vector<int>({49}));
}

TEST(Detector, TooSlowAFallIsPersistent) {
  // Without noise left to doubt: back after 1000 steps.
  EXPECT_EQ(persistent_steps([](int i) { return 4 * (1 - i / 1000.0); }, 400),
            std::vector<int>({49}));
}

TEST(Detector, AtTheLimitItIsPersistentHoweverItFalls) {
  const auto saw = [](int i) { return 3.0 - 0.05 * (i % 40); };  // never 50 without a new jump
  EXPECT_EQ(persistent_steps(saw, 600), std::vector<int>({499}));
  DetectorSettings sooner;
  sooner.persistent_limit = 300;
  EXPECT_EQ(persistent_steps(saw, 400, false, sooner), std::vector<int>({299}));
  sooner.persistent_limit = 50;  // the count alone
  EXPECT_EQ(persistent_steps([](int i) { return decay(3, i, 100); }, 90, false, sooner),
            std::vector<int>({49}));
}

// The norm of a spike may stay up for as long as the loss is falling.
TEST(Detector, ANormIsNotPersistentWhileTheLossComesBack) {
  Detector detector;
  feed(detector, 128);
  for (int i = 0; i < 300; ++i) {
    const Verdict verdict = detector.observe(2 + decay(3, i, 60), i < 150 ? 5 : 1);
    EXPECT_FALSE(verdict.persistent()) << i;
    detector.accept(2 + decay(3, i, 60), i < 150 ? 5 : 1);
  }
  Detector alone;
  feed(alone, 128);
  int found = -1;
  for (int i = 0; i < 60; ++i)
    if (alone.observe(2, 5).norm.persistent) found = i;
  EXPECT_EQ(found, 49);
}

TEST(Detector, SaysHowLongItHasBeenAboveAndWhat) {
  Detector detector;
  feed(detector, 128);
  const ChannelVerdict onset = detector.observe(4, 1).loss;
  EXPECT_EQ(onset.above_steps, 1);
  EXPECT_EQ(onset.frozen_baseline, onset.baseline);
  for (int i = 1; i < 49; ++i) detector.observe(4, 1);
  EXPECT_EQ(detector.loss_above_steps(), 49);
  const ChannelVerdict last = detector.observe(4, 1).loss;
  EXPECT_TRUE(last.persistent);
  EXPECT_EQ(last.above_steps, 50);
  EXPECT_EQ(last.frozen_baseline, onset.baseline);
  EXPECT_EQ(detector.loss_above_steps(), 0);
}

// Falls, jumps once more, falls and settles: all that an incident remembers.
double long_incident(int i) {
  return 2.5 + decay(2, i, 25) + (i < 70 ? 0 : decay(2, i - 70, 25)) + 0.02 * std::sin(i * 1.3);
}

TEST(Detector, StateSurvivesJsonInTheMiddleOfAnIncident) {
  Detector whole;
  feed(whole, 150);
  int persistent = 0;
  for (int i = 0; i < 300; ++i) {
    Detector resumed;
    ASSERT_TRUE(resumed.load(parse_json(to_json_line(whole.state()), "test").take_value()).ok());
    const double loss = long_incident(i);
    const Verdict a = whole.observe(loss, 1);
    const Verdict b = resumed.observe(loss, 1);
    EXPECT_EQ(a.loss.z, b.loss.z);
    EXPECT_EQ(a.loss.onset, b.loss.onset);
    EXPECT_EQ(a.persistent(), b.persistent());
    whole.accept(loss, 1);
    resumed.accept(loss, 1);
    EXPECT_EQ(whole.state(), resumed.state());
    persistent += a.persistent() ? 1 : 0;
  }
  EXPECT_EQ(persistent, 1);
}

// As version 1 states were: without the values of the run.
TEST(Detector, AStateOfAnEarlierVersionIsLoadedAndGoesOnCounting) {
  Detector before;
  feed(before, 128);
  for (int i = 0; i < 30; ++i) before.observe(4, 1);
  Json state = before.state();
  for (const char* channel : {"loss", "norm"})
    for (const char* key : {"run", "peak", "since_peak"}) ASSERT_EQ(state[channel].erase(key), 1u);
  Detector after;
  ASSERT_TRUE(after.load(state).ok());
  EXPECT_EQ(after.loss_above_steps(), 30);
  int found = 0, steps = 0;
  for (; steps < 100 && found == 0; ++steps)
    if (after.observe(4, 1).persistent()) found = steps + 1;
  EXPECT_EQ(found, 50);  // as many as tell a fall
}

TEST(Detector, RefusesDamagedState) {
  Detector detector;
  Json state = detector.state();
  state["loss"]["values"] = Json::array({"NaN"});
  EXPECT_FALSE(detector.load(state).ok());
  EXPECT_FALSE(detector.load(Json::object()).ok());
  for (const char* key : {"peak", "since_peak"}) {
    state = detector.state();
    state["loss"].erase(key);
    EXPECT_FALSE(detector.load(state).ok()) << key;
  }
  state = detector.state();
  for (int i = 0; i < 51; ++i) state["norm"]["run"].push_back(1.0);
  EXPECT_FALSE(detector.load(state).ok());
  state = detector.state();
  for (int i = 0; i < 129; ++i) state["norm"]["values"].push_back(1.0);
  EXPECT_FALSE(detector.load(state).ok());
}

TEST(Detector, FloorsKeepAFlatCurveQuiet) {
  Detector detector;
  for (int i = 0; i < 64; ++i) detector.accept(2.0, 1.0);
  EXPECT_FALSE(detector.observe(2.01, 1.3).onset());
  EXPECT_TRUE(detector.observe(2.02, 1.4).loss.onset);
}

// A loss that falls from 5.5 to 3.5 within the window has a spread of 0.5; a jump by 1.5 is
// still a spike, and neither the fall nor its flattening is one.
TEST(Detector, SeesASpikeOnAFallingLoss) {
  Detector detector;
  int onsets = 0;
  const auto loss_at = [](int i) {
    const double noise = 0.05 * std::sin(12.9898 * i) * std::cos(78.233 * i);
    return 2.0 + 4.0 * std::exp(-i / 150.0) + noise;
  };
  for (int i = 0; i < 300; ++i) {
    const double loss = loss_at(i) + (i == 150 ? 1.5 : 0.0);
    const Verdict verdict = detector.observe(loss, 1.0);
    onsets += verdict.loss.onset ? 1 : 0;
    if (i == 150) {
      EXPECT_TRUE(verdict.loss.onset);
    } else {
      detector.accept(loss, 1.0);
    }
  }
  EXPECT_EQ(onsets, 1);
}

}  // namespace
}  // namespace ballast
