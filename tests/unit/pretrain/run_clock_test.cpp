#include "tools/pretrain/run_clock.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(RunClock, AddsUpWhatARecoveryThrowsAway) {
  RunClock clock;
  for (int64_t step = 1; step <= 5; ++step) clock.add_step(step, static_cast<double>(step));
  EXPECT_EQ(clock.seconds_after(5), 0);
  EXPECT_EQ(clock.seconds_after(3), 9);
  EXPECT_EQ(clock.seconds_after(0), 15);
}

TEST(RunClock, CountsOnlyTheLastLineThroughAStep) {
  RunClock clock;
  for (const int64_t step : {1, 2, 3, 2, 3, 4}) clock.add_step(step, 1);
  EXPECT_EQ(clock.seconds_after(2), 2);  // 3 and 4, not the 3 of the line that was left
}

TEST(RunClock, ComputingIsWhatReadingAndWaitingLeave) {
  RunClock clock;
  clock.begin_step();
  { const RunClock::Scope reading = clock.reading(); }
  { const RunClock::Scope waiting = clock.waiting(); }
  clock.add_step(1, 100);
  EXPECT_EQ(clock.compute_seconds(), 100 - clock.data_seconds() - clock.communication_seconds());
  EXPECT_GE(clock.data_seconds(), 0);
  clock.begin_step();
  EXPECT_EQ(clock.data_seconds(), 0);
  EXPECT_EQ(clock.communication_seconds(), 0);
}

TEST(RunClock, AveragesStepsFromTheFirstOne) {
  RunClock clock;
  clock.add_step(1, 2);
  EXPECT_EQ(clock.average_step_seconds(), 2);
  clock.add_step(2, 12);
  EXPECT_DOUBLE_EQ(clock.average_step_seconds(), 3);
  EXPECT_EQ(clock.step_seconds(), 12);
}

TEST(RunClock, HandsOutSavingOnceAndRemembersTheLongest) {
  RunClock clock;
  clock.saved(3);
  clock.saved(1);
  EXPECT_EQ(clock.longest_save(), 3);
  EXPECT_EQ(clock.take_saving_seconds(), 4);
  EXPECT_EQ(clock.take_saving_seconds(), 0);
}

}  // namespace
}  // namespace ballast
