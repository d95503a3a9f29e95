#include "libcore/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

constexpr int64_t kBatch = 100;

Schedule schedule(const std::string& spec, int64_t total = 100 * kBatch) {
  return make_schedule(spec, 2.0, total, kBatch).take_value();
}
double at_step(const Schedule& s, int64_t step) { return s.lr(step * kBatch, kBatch); }

TEST(Schedule, WarmsUpOverTheTokensAfterTheStep) {
  const Schedule s = schedule("constant:warmup=10steps");
  EXPECT_DOUBLE_EQ(at_step(s, 0), 0.2);
  EXPECT_DOUBLE_EQ(at_step(s, 4), 1.0);
  EXPECT_DOUBLE_EQ(at_step(s, 9), 2.0);
  EXPECT_DOUBLE_EQ(at_step(s, 99), 2.0);
}

TEST(Schedule, CooldownStartsAtFullRateAndEndsOneStepAboveItsFloor) {
  const Schedule linear = schedule("wsd:warmup=0,cooldown=20%,shape=linear");
  EXPECT_DOUBLE_EQ(at_step(linear, 79), 2.0);
  EXPECT_DOUBLE_EQ(at_step(linear, 80), 2.0);
  EXPECT_DOUBLE_EQ(at_step(linear, 90), 1.0);
  EXPECT_NEAR(at_step(linear, 99), 0.1, 1e-15);
  EXPECT_DOUBLE_EQ(at_step(linear, 100), 0);  // past the end the last value holds
  EXPECT_DOUBLE_EQ(at_step(linear, 5000), 0);
  const Schedule root = schedule("wsd:warmup=0,cooldown=20%,final=0.1");
  EXPECT_DOUBLE_EQ(at_step(root, 85), 2 * (0.1 + 0.9 * (1 - std::sqrt(0.25))));
}

TEST(Schedule, CosineFallsToItsFinalShare) {
  const Schedule s = schedule("cosine:warmup=0");
  EXPECT_DOUBLE_EQ(at_step(s, 0), 2.0);
  EXPECT_NEAR(at_step(s, 50), 2 * 0.55, 1e-12);
  EXPECT_NEAR(at_step(s, 100), 0.2, 1e-12);
  const Schedule warm = schedule("cosine:warmup=10%");
  EXPECT_DOUBLE_EQ(at_step(warm, 9), 2.0);
  EXPECT_DOUBLE_EQ(at_step(warm, 10), 2.0);
}

TEST(Schedule, DependsOnTokensNotOnTheCountOfSteps) {
  const Schedule s = schedule("wsd:warmup=1000,cooldown=2000");
  EXPECT_DOUBLE_EQ(s.multiplier(400, 100), 0.5);
  EXPECT_DOUBLE_EQ(s.multiplier(0, 500), 0.5);
}

TEST(Schedule, SpecInTokensGivesTheSameSchedule) {
  for (const char* text : {"wsd", "cosine:final=0.05", "constant", "wsd:shape=linear,final=0.1"}) {
    const Schedule a = schedule(text);
    const Schedule b = schedule(a.spec());
    EXPECT_EQ(a.spec(), b.spec());
    for (int64_t step = 0; step < 101; ++step) EXPECT_EQ(at_step(a, step), at_step(b, step));
  }
}

TEST(Schedule, RefusesImpossibleLengths) {
  for (const char* text :
       {"file:f", "wsd:warmup=101%", "wsd:warmup=200steps", "wsd:warmup=90%,cooldown=20%",
        "cosine:cooldown=1", "wsd:shape=square", "constant:final=0.1", "wsd:warmup=abc"})
    EXPECT_FALSE(make_schedule(text, 1, 100 * kBatch, kBatch).ok()) << text;
  EXPECT_FALSE(make_schedule("wsd:warmup=10steps", 1, 1000, 0).ok());  // batch varies
  EXPECT_FALSE(make_schedule("wsd", 1, 0, 1).ok());
}

}  // namespace
}  // namespace ballast
