#include "libcore/guard/drift.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

constexpr int64_t kSteps = 60000;
constexpr double kNoise = 0.04;

double falling(int64_t step) { return 2 + 8 * std::pow(static_cast<double>(step) + 20, -0.35); }

struct Seen {
  int64_t alarms = 0;
  int64_t at = -1;  // step of the first
  DriftVerdict first;
};

Seen watch(const std::function<double(int64_t)>& level, uint64_t seed, double correlation = 0,
           int64_t steps = kSteps) {
  DriftMonitor monitor;
  Seen seen;
  double noise = 0;
  for (int64_t step = 1; step <= steps; ++step) {
    noise = correlation * noise + std::sqrt(1 - correlation * correlation) *
                                      random_normal(seed, 1, static_cast<uint64_t>(step));
    const DriftVerdict verdict = monitor.observe(step, step * 1000, level(step) + kNoise * noise);
    if (!verdict.drift) continue;
    if (seen.alarms++ == 0) {
      seen.at = step;
      seen.first = verdict;
    }
  }
  return seen;
}

TEST(DriftMonitor, IsSilentOnHealthyRunsOfEverySchedule) {
  const auto cosine = [](int64_t t) {
    return falling(t) - 0.1 * (1 - std::cos(3.14159265 * static_cast<double>(t) / kSteps));
  };
  const auto cooldown = [](int64_t t) {
    const double q = (static_cast<double>(t) - 0.8 * kSteps) / (0.2 * kSteps);
    return falling(t) - (q > 0 ? 0.1 * std::sqrt(q) : 0);
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const double correlation : {0.0, 0.5}) {
      EXPECT_EQ(watch(falling, seed, correlation).alarms, 0);
      EXPECT_EQ(watch(cosine, seed, correlation).alarms, 0);
      EXPECT_EQ(watch(cooldown, seed, correlation).alarms, 0);
      EXPECT_EQ(watch([](int64_t) { return 3.0; }, seed, correlation).alarms, 0);
    }
  }
}

// The FP8 trial of the Apertus report: the switch costs 0.01 at once, and that is a jump; what
// follows later is a slow rise.
TEST(DriftMonitor, TakesTheStepOfASwitchForAJumpAndTheSlowRiseForDrift) {
  const int64_t kSwitch = kSteps / 2, kBegin = 42000;
  const auto level = [&](int64_t t, bool drifts) {
    const double after = static_cast<double>(t - kBegin) / static_cast<double>(kSteps - kBegin);
    return falling(t) + (t > kSwitch ? 0.01 : 0) + (drifts && t > kBegin ? 0.08 * after : 0);
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    EXPECT_EQ(watch([&](int64_t t) { return level(t, false); }, seed).alarms, 0);
    const Seen seen = watch([&](int64_t t) { return level(t, true); }, seed);
    ASSERT_GE(seen.alarms, 1) << "seed " << seed;
    EXPECT_GT(seen.at, kBegin);
    EXPECT_LT(seen.at, kBegin + 12000);  // of the 18,000 steps that it lasts
    // An estimate, from the window that shows the rise.
    EXPECT_NEAR(static_cast<double>(seen.first.began_step), kBegin,
                static_cast<double>(seen.first.window));
    EXPECT_LT(seen.first.began_step, seen.at);
    EXPECT_EQ(seen.first.began_tokens, seen.first.began_step * 1000);
    EXPECT_GT(seen.first.rise, 0.005);
    EXPECT_LT(seen.first.rise, 0.06);
    EXPECT_GT(seen.first.z, seen.first.limit);
  }
}

TEST(DriftMonitor, AJumpOfAnySizeAndASpikeAreNoDrift) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const double jump : {0.02, 0.1, 1.0})
      EXPECT_EQ(watch([&](int64_t t) { return falling(t) + (t > 30000 ? jump : 0); }, seed).alarms,
                0);
    EXPECT_EQ(watch(
                  [](int64_t t) {
                    const double age = static_cast<double>(t - 30000);
                    return falling(t) + (age > 0 ? 3 * std::exp(-age / 100) : 0);
                  },
                  seed)
                  .alarms,
              0);
  }
}

// A flat series, with a limit that would be passed once in 20,000 values.
TEST(DriftMonitor, FalseAlarmsAreNoMoreThanTheSettingSays) {
  DriftSettings settings;
  settings.every = 20000;
  int64_t alarms = 0;
  for (uint64_t run = 0; run < 10; ++run) {
    DriftMonitor monitor(settings);
    for (int64_t step = 1; step <= 100000; ++step)
      alarms +=
          monitor.observe(step, step, random_normal(7, run, static_cast<uint64_t>(step))).drift;
  }
  EXPECT_LE(alarms, 50);  // 10 * 100,000 / 20,000
}

TEST(DriftMonitor, AnEventForgetsAndARollbackTakesBack) {
  // Rising without noise: an alarm as soon as a window is full.
  const int64_t kFull = DriftMonitor::kBlockValues * static_cast<int64_t>(DriftMonitor::kBlocks);
  DriftMonitor monitor;
  int64_t alarm = -1;
  for (int64_t step = 1; step <= 2 * kFull && alarm < 0; ++step)
    if (monitor.observe(step, step, 1e-4 * static_cast<double>(step)).drift) alarm = step;
  EXPECT_EQ(alarm, kFull);

  DriftMonitor with_event;
  for (int64_t step = 1; step < kFull; ++step)
    with_event.observe(step, step, 1e-4 * static_cast<double>(step));
  with_event.on_event();
  for (int64_t step = kFull; step < 2 * kFull - 1; ++step)
    EXPECT_FALSE(with_event.observe(step, step, 1e-4 * static_cast<double>(step)).tested);

  // The rise of a branch that was left does not count: back to step 33, then level.
  DriftMonitor with_rollback;
  for (int64_t step = 1; step < kFull; ++step)
    with_rollback.observe(step, step, 1e-4 * static_cast<double>(step));
  for (int64_t step = 33; step < 33 + kFull; ++step)
    EXPECT_FALSE(with_rollback.observe(step, step, step % 2 == 0 ? 1 : 1.001).drift);
}

TEST(DriftMonitor, PassesOverWhatIsNotFinite) {
  DriftMonitor plain, holes;
  for (int64_t step = 1; step <= 4000; ++step) {
    const double loss =
        random_normal(11, 1, static_cast<uint64_t>(step)) + 0.001 * static_cast<double>(step);
    const DriftVerdict a = plain.observe(step, step, loss);
    EXPECT_FALSE(holes.observe(step, step, NAN).drift);
    const DriftVerdict b = holes.observe(step, step, loss);
    EXPECT_EQ(a.drift, b.drift);
    EXPECT_EQ(a.z, b.z);
  }
}

TEST(DriftMonitor, RisesBelowTheLeastAreNotMentioned) {
  DriftSettings settings;
  settings.least_rise = 1;
  DriftMonitor monitor(settings);
  for (int64_t step = 1; step <= 5000; ++step)
    EXPECT_FALSE(monitor.observe(step, step, 1e-4 * static_cast<double>(step)).drift);
}

}  // namespace
}  // namespace ballast
