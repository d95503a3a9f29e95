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

TEST(Schedule, WarmUpMayStartAboveZero) {
  const Schedule s = schedule("constant:warmup=10steps,start=0.1");
  const Schedule plain = schedule("constant:warmup=10steps");
  const int64_t b = plain.warmup_tokens / 10;
  EXPECT_DOUBLE_EQ(s.multiplier(0, 0), 0.1);
  EXPECT_DOUBLE_EQ(s.multiplier(4 * b, b), 0.1 + 0.9 * 0.5);
  EXPECT_EQ(s.multiplier(9 * b, b), 1);
  EXPECT_EQ(s.multiplier(20 * b, b), 1);
  EXPECT_EQ(s.spec(), plain.spec() + ",start=0.1");
  EXPECT_EQ(schedule("constant:warmup=10steps,start=0").spec(), plain.spec());
  EXPECT_EQ(schedule(schedule("wsd:warmup=100,start=0.1,final=0.1").spec()).spec(),
            schedule("wsd:warmup=100,start=0.1,final=0.1").spec());
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

TEST(Schedule, PartsOfNoLengthDivideNothing) {
  const Schedule flat = schedule("wsd:warmup=0,cooldown=0");
  for (const int64_t step : {0, 50, 99, 100}) EXPECT_EQ(at_step(flat, step), 2.0) << step;
  const Schedule warming = schedule("cosine:warmup=100%");
  EXPECT_DOUBLE_EQ(at_step(warming, 49), 1.0);
  EXPECT_DOUBLE_EQ(at_step(warming, 99), 2.0);
  EXPECT_TRUE(std::isfinite(at_step(warming, 100)));
  EXPECT_TRUE(std::isfinite(at_step(schedule("linear:warmup=100%"), 100)));
}

TEST(Schedule, DependsOnTokensNotOnTheCountOfSteps) {
  const Schedule s = schedule("wsd:warmup=1000,cooldown=2000");
  EXPECT_DOUBLE_EQ(s.multiplier(400, 100), 0.5);
  EXPECT_DOUBLE_EQ(s.multiplier(0, 500), 0.5);
}

TEST(Schedule, SpecInTokensGivesTheSameSchedule) {
  for (const char* text : {"wsd", "cosine:final=0.05", "constant", "wsd:shape=linear,final=0.1",
                           "linear:final=0.2", "wsd:shape=mirror-cosine", "wsd:shape=sqrt"}) {
    const Schedule a = schedule(text);
    const Schedule b = schedule(a.spec());
    EXPECT_EQ(a.spec(), b.spec());
    for (int64_t step = 0; step < 101; ++step) EXPECT_EQ(at_step(a, step), at_step(b, step));
  }
}

TEST(Schedule, RefusesImpossibleLengths) {
  for (const char* text :
       {"file:f", "wsd:warmup=101%", "wsd:warmup=200steps", "wsd:warmup=90%,cooldown=20%",
        "cosine:cooldown=1", "wsd:shape=exponential", "constant:final=0.1", "wsd:warmup=abc"})
    EXPECT_FALSE(make_schedule(text, 1, 100 * kBatch, kBatch).ok()) << text;
  EXPECT_FALSE(make_schedule("wsd:warmup=10steps", 1, 1000, 0).ok());  // batch varies
  EXPECT_FALSE(make_schedule("wsd", 1, 0, 1).ok());
}

// Apertus 8B, in samples: warm-up 4,096,000, cooldown 403,905,806 of 3,662,109,375, final 0.1.
TEST(Schedule, FollowsTheApertusVectors) {
  const int64_t n = 3662109375, cooldown = 403905806, start = n - cooldown;
  const Schedule s =
      make_schedule("wsd:warmup=4096000,cooldown=403905806,final=0.1", 1.1e-4, n, 1).take_value();
  EXPECT_NEAR(s.lr(2048000 - 1024, 1024), 5.5e-5, 1e-16);
  EXPECT_NEAR(s.lr(4096000 - 1024, 1024), 1.1e-4, 1e-16);
  EXPECT_EQ(start, 3258203569);
  EXPECT_NEAR(s.lr(start, 1024), 1.1e-4, 1e-16);
  EXPECT_NEAR(s.lr(start + cooldown / 4, 1024), 6.05e-5, 1e-12);  // of a quarter, but for a sample
  EXPECT_NEAR(s.lr(start + cooldown / 2, 1024), 3.99964e-5, 0.5e-10);  // as printed
  EXPECT_NEAR(s.lr(n, 1024), 1.1e-5, 1e-16);
}

TEST(Schedule, CooldownShapesAreTheirFormulas) {
  const auto at_quarter = [](const std::string& shape) {
    return at_step(schedule("wsd:warmup=0,cooldown=20%,shape=" + shape), 85) / 2;
  };
  const double half_cosine = (1 + std::cos(std::acos(-1) / 4)) / 2;
  EXPECT_NEAR(at_quarter("linear"), 0.75, 1e-15);
  EXPECT_NEAR(at_quarter("1-sqrt"), 0.5, 1e-15);
  EXPECT_NEAR(at_quarter("sqrt"), std::sqrt(0.75), 1e-15);
  EXPECT_NEAR(at_quarter("cosine"), half_cosine, 1e-15);
  EXPECT_NEAR(at_quarter("mirror-cosine"), 1.5 - half_cosine, 1e-15);
  EXPECT_NEAR(at_quarter("square"), 1 - 0.0625, 1e-15);
  for (const CooldownShape shape :
       {CooldownShape::linear, CooldownShape::one_minus_sqrt, CooldownShape::sqrt,
        CooldownShape::cosine, CooldownShape::mirror_cosine, CooldownShape::square}) {
    EXPECT_NEAR(cooldown_value(shape, 0), 1, 1e-15);
    EXPECT_NEAR(cooldown_value(shape, 1), 0, 1e-15);
  }
}

TEST(Schedule, LinearFallsOverTheWholeRun) {
  const Schedule s = schedule("linear:warmup=20%,final=0.1");
  EXPECT_DOUBLE_EQ(at_step(s, 9), 1.0);
  EXPECT_DOUBLE_EQ(at_step(s, 20), 2.0);
  EXPECT_NEAR(at_step(s, 60), 2 * 0.55, 1e-12);
  EXPECT_NEAR(at_step(s, 100), 0.2, 1e-12);
}

Result<Schedule> from_file(const std::string& text) {
  return parse_schedule_file(text, "f.json", 2.0, 10000);
}

TEST(ScheduleFile, JoinsPointsByStraightLines) {
  const std::string points = "\"points\":[[1000,1],[2000,0.5],[2000,0.25],[4000,0]]}";
  const Schedule share =
      from_file("{\"v\":1,\"type\":\"schedule\",\"values\":\"multiplier\"," + points).take_value();
  EXPECT_DOUBLE_EQ(share.lr(0, 100), 2);
  EXPECT_DOUBLE_EQ(share.lr(1000, 100), 2);
  EXPECT_DOUBLE_EQ(share.lr(1500, 100), 1.5);
  EXPECT_DOUBLE_EQ(share.lr(1999, 1), 2 * (1 - 0.999 * 0.5));
  EXPECT_DOUBLE_EQ(share.lr(2000, 100), 0.5);  // of two points the later one
  EXPECT_DOUBLE_EQ(share.lr(3000, 100), 0.25);
  EXPECT_DOUBLE_EQ(share.lr(90000, 100), 0);
  const Schedule rate =
      from_file("{\"v\":1,\"type\":\"schedule\",\"values\":\"lr\"," + points).take_value();
  EXPECT_EQ(rate.lr(1000, 100), 1);
  EXPECT_EQ(rate.lr(1500, 100), 0.75);
  EXPECT_EQ(rate.multiplier(1500, 100), 0.375);
  EXPECT_NE(share.spec(), rate.spec());
}

TEST(ScheduleFile, RefusesWhatNoScheduleCanBe) {
  const std::string head = "{\"v\":1,\"type\":\"schedule\",\"values\":\"lr\",\"points\":";
  EXPECT_TRUE(from_file(head + "[[0,1]]}").ok());
  for (const std::string points :
       {"[]}", "[[0,1],[5,1],[4,1]]}", "[[-1,1]]}", "[[0,-1]]}", "[[0,\"NaN\"]]}", "[[0.5,1]]}",
        "[[0]]}", "[[99999999999999999999,1]]}", "[[0,1]],\"extra\":1}", "[[0,1]]"})
    EXPECT_FALSE(from_file(head + points).ok()) << points;
  EXPECT_FALSE(
      from_file("{\"v\":2,\"type\":\"schedule\",\"values\":\"lr\",\"points\":[[0,1]]}").ok());
  EXPECT_FALSE(from_file("[]").ok());
}

}  // namespace
}  // namespace ballast
