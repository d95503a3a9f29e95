#include "libcore/guard/wait.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

using Outcome = Wait::Outcome;

Alarm alarm(IncidentKind kind = IncidentKind::jump) {
  Alarm a;
  a.kind = kind;
  a.onset = 100;
  a.samples = 800;
  a.warning = 98;
  a.limit = 2.1;
  return a;
}

Outcome run(Wait& wait, int64_t first, int64_t last, double loss) {
  Outcome outcome = Outcome::none;
  for (int64_t step = first; step <= last; ++step) outcome = wait.observe(step, loss);
  return outcome;
}

TEST(Wait, EndsWhenTheLossIsBack) {
  Wait wait;
  EXPECT_EQ(wait.observe(100, 2.0), Outcome::none);
  wait.begin(alarm(), 50);
  EXPECT_EQ(wait.observe(100, 5.0), Outcome::waiting);  // the onset itself does not count
  EXPECT_EQ(run(wait, 101, 130, 4.0), Outcome::waiting);
  EXPECT_EQ(run(wait, 131, 149, 2.0), Outcome::waiting);
  EXPECT_EQ(wait.observe(150, 2.0), Outcome::recovered);
  EXPECT_FALSE(wait.active());
}

TEST(Wait, FailsWhenTheMedianOfTheLastTwentyIsStillUp) {
  Wait wait;
  wait.begin(alarm(), 50);
  EXPECT_EQ(run(wait, 101, 141, 4.0), Outcome::waiting);
  EXPECT_EQ(run(wait, 142, 150, 2.0), Outcome::failed);  // 9 of 20 values
}

TEST(Wait, CountsWhatIsNotFiniteAsAbove) {
  Wait wait;
  wait.begin(alarm(), 4);
  run(wait, 101, 103, std::nan(""));
  EXPECT_EQ(wait.observe(104, 2.0), Outcome::failed);
}

TEST(Wait, AfterAStepThatWasNotFiniteTheNextOneEndsIt) {
  Wait wait;
  wait.begin(alarm(IncidentKind::nonfinite), 50);
  EXPECT_EQ(wait.observe(101, 9.0), Outcome::waiting);
  EXPECT_EQ(wait.observe(102, std::nan("")), Outcome::failed);
  EXPECT_FALSE(wait.active());
}

TEST(Wait, AResumedOneDecidesAlike) {
  Wait wait;
  wait.begin(alarm(), 30);
  run(wait, 101, 119, 3.0);
  Wait resumed;
  ASSERT_TRUE(resumed.load(wait.state()).ok());
  EXPECT_EQ(resumed.alarm().samples, 800);
  for (int64_t step = 120; step <= 130; ++step)
    EXPECT_EQ(resumed.observe(step, 2.0), wait.observe(step, 2.0)) << step;
  ASSERT_TRUE(resumed.load(wait.state()).ok());  // none
  EXPECT_FALSE(resumed.active());
}

TEST(Wait, RefusesADamagedState) {
  Wait wait;
  wait.begin(alarm(), 30);
  for (const char* key : {"kind", "onset", "limit", "steps", "values"}) {
    Json state = wait.state();
    state.erase(key);
    EXPECT_FALSE(Wait().load(state).ok()) << key;
  }
  Json state = wait.state();
  state["steps"] = 0;
  EXPECT_FALSE(Wait().load(state).ok());
}

}  // namespace
}  // namespace ballast
