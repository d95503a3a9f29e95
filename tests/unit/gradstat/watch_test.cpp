#include "tools/gradstat/watch.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

class WatchTest : public ::testing::Test {
 protected:
  void step(int64_t n, double loss, bool skipped = false) {
    TraceRecord record;
    record.type = RecordType::step;
    record.step.segment = segment_;
    record.step.step = n;
    record.step.tokens = n * 100;
    record.step.loss = loss;
    record.step.grad_norm = 1 + 0.01 * std::sin(static_cast<double>(n));
    record.step.skipped = skipped;
    ASSERT_TRUE(watch_.take(record, alarms_).ok());
  }
  void restart(int64_t parent_step) {
    TraceRecord record;
    record.type = RecordType::run;
    record.run.segment = ++segment_;
    record.run.parent = segment_ - 1;
    record.run.parent_step = parent_step;
    ASSERT_TRUE(watch_.take(record, alarms_).ok());
  }
  void calm(int64_t from, int64_t to) {
    for (int64_t n = from; n <= to; ++n) step(n, 2 + 0.02 * std::sin(static_cast<double>(3 * n)));
  }
  std::vector<std::string> kinds() const {
    std::vector<std::string> found;
    for (const Alarm& alarm : alarms_) found.push_back(alarm.kind);
    return found;
  }
  Watch watch_{3};
  std::vector<Alarm> alarms_;
  int64_t segment_ = 0;
};

TEST_F(WatchTest, ASpikeThatRecoversIsAnOnsetAndNeverPersistent) {
  calm(1, 60);
  for (int64_t n = 61; n <= 109; ++n) step(n, 5);
  calm(110, 200);
  EXPECT_EQ(kinds(), (std::vector<std::string>{"onset"}));
  EXPECT_EQ(alarms_[0].step, 61);
}

TEST_F(WatchTest, FiftyStepsAboveArePersistentAtTheFiftieth) {
  calm(1, 60);
  for (int64_t n = 61; n <= 120; ++n) step(n, 5);
  EXPECT_EQ(kinds(), (std::vector<std::string>{"onset", "persistent"}));
  EXPECT_EQ(alarms_[1].step, 110);
}

TEST_F(WatchTest, WithoutAStateARestartForgetsWhatWasLeft) {
  calm(1, 60);
  for (int64_t n = 61; n <= 100; ++n) step(n, 5);
  restart(60);
  // 40 steps above on the branch that was left and 20 on this one are no 50 in a row.
  for (int64_t n = 61; n <= 80; ++n) step(n, 5);
  EXPECT_EQ(kinds(), (std::vector<std::string>{"onset", "onset"}));
  EXPECT_EQ(alarms_[1].segment, 1);
}

TEST_F(WatchTest, RestartsThatLeadNowhereAreAStallOnce) {
  calm(1, 50);
  restart(40);
  calm(41, 50);
  restart(40);
  calm(41, 51);  // one step further: the count begins again
  restart(40);
  restart(40);
  calm(41, 45);
  EXPECT_TRUE(alarms_.empty());
  restart(40);
  restart(40);
  EXPECT_EQ(kinds(), (std::vector<std::string>{"stall"}));
  EXPECT_EQ(alarms_[0].text, "stall: 3 restarts did not get beyond step 51");
}

TEST_F(WatchTest, ASlowRiseIsDriftAndNothingElse) {
  for (int64_t n = 1; n <= 20000; ++n)
    step(n, 2 + 0.05 * std::sin(static_cast<double>(7 * n)) +
                2e-5 * static_cast<double>(std::max<int64_t>(n - 6000, 0)));
  EXPECT_EQ(kinds(), (std::vector<std::string>{"drift"}));
  EXPECT_TRUE(watch_.drift_tested());
}

TEST_F(WatchTest, SkippedStepsTeachNothing) {
  calm(1, 60);
  for (int64_t n = 61; n <= 70; ++n) step(n, NAN, true);
  EXPECT_EQ(watch_.judged(), 60);
  EXPECT_EQ(alarms_.size(), 10u);
  EXPECT_EQ(alarms_[0].kind, "nonfinite");
}

}  // namespace
}  // namespace ballast
