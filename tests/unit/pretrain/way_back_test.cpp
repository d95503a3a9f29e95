#include "tools/pretrain/way_back.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

Alarm alarm_at(int64_t onset, int64_t warning) {
  Alarm alarm;
  alarm.onset = onset;
  alarm.warning = warning;
  return alarm;
}
const Rung kSkip = {.kind = RungKind::skip, .skip_batches = 5};

TEST(WayBack, ForksBeforeTheOnsetAndBeforeTheFirstWarning) {
  EXPECT_EQ(fork_step(alarm_at(100, 100), kSkip), 96);
  EXPECT_EQ(fork_step(alarm_at(100, 92), kSkip), 91);
  EXPECT_EQ(fork_step(alarm_at(100, 100), {.kind = RungKind::rollback, .steps = 30}), 70);
  EXPECT_EQ(fork_step(alarm_at(100, 100), {.kind = RungKind::rollback, .steps = 1}), 96);
  EXPECT_EQ(fork_step(alarm_at(2, 2), kSkip), 0);
}

TEST(WayBack, TakesTheNewestStateThatIsOldEnough) {
  const int64_t checkpoints[] = {60, 80, 97};
  WayBack way = choose_way_back(alarm_at(100, 100), kSkip, checkpoints, -1);
  EXPECT_EQ(way.fork, 96);
  EXPECT_EQ(way.state, 80);
  EXPECT_FALSE(way.in_memory);
  way = choose_way_back(alarm_at(100, 100), kSkip, checkpoints, 90);
  EXPECT_EQ(way.state, 90);
  EXPECT_TRUE(way.in_memory);
  way = choose_way_back(alarm_at(100, 100), kSkip, checkpoints, 80);
  EXPECT_FALSE(way.in_memory);  // what is on disk survives the process
}

TEST(WayBack, GoesAShorterWayWhenNothingIsOldEnough) {
  const int64_t checkpoints[] = {98, 99, 100};
  const WayBack way = choose_way_back(alarm_at(100, 100), kSkip, checkpoints, -1);
  EXPECT_EQ(way.state, 98);
  EXPECT_EQ(way.fork, 98);
}

TEST(WayBack, SkipsBackFromTheEndOfTheOnsetsBatch) {
  StepRange range = suspicious_steps(alarm_at(100, 100), 5, 80);
  EXPECT_EQ(range.begin, 96);
  EXPECT_EQ(range.end, 101);
  range = suspicious_steps(alarm_at(100, 93), 5, 80);  // warned early: longer
  EXPECT_EQ(range.begin, 92);
  EXPECT_EQ(range.end, 101);
  range = suspicious_steps(alarm_at(100, 100), 5, 98);  // never what the fork has consumed
  EXPECT_EQ(range.begin, 98);
  EXPECT_EQ(range.end, 103);
}

TEST(WayBack, SuspectsTheSourceFurthestAboveItsMean) {
  const double losses[] = {5, 4, 9}, means[] = {4.5, 2, 8.5};
  EXPECT_EQ(suspicious_source({true, true, true}, losses, means), 1u);
  EXPECT_EQ(suspicious_source({true, false, true}, losses, means), 0u);  // the first of equals
  EXPECT_EQ(suspicious_source({false, true, false}, losses, means), std::nullopt);
  const double broken[] = {std::nan(""), 4, INFINITY};
  EXPECT_EQ(suspicious_source({true, true, true}, broken, means), 2u);
  EXPECT_EQ(suspicious_source({true, true, true}, broken, {}), 2u);
}

}  // namespace
}  // namespace ballast
