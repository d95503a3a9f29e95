#include "libcore/guard/ladder.h"

#include <gtest/gtest.h>

#include <string>

namespace ballast {
namespace {

Ladder ladder(const std::string& spec) {
  auto parsed = Ladder::parse(spec);
  EXPECT_TRUE(parsed.ok()) << spec;
  return parsed.ok() ? *parsed : Ladder();
}

TEST(Ladder, OffHasNoRung) {
  EXPECT_TRUE(ladder("off").off());
  EXPECT_FALSE(ladder("stop").off());
}

TEST(Ladder, ClimbsOneRungPerIncidentAndStopsPastTheLast) {
  Ladder l = ladder("replay,skip:20,rollback:1K+3,rollback:50");
  EXPECT_EQ(l.attempts(), 0);
  EXPECT_EQ(l.next(100).text(), "replay");
  EXPECT_EQ(l.next(100).text(), "skip:20");
  EXPECT_EQ(l.next(101).text(), "rollback:1000+3");
  EXPECT_EQ(l.next(120).text(), "rollback:50+20");
  EXPECT_EQ(l.attempts(), 4);
  EXPECT_EQ(l.next(130).kind, RungKind::stop);
  EXPECT_EQ(l.next(131).kind, RungKind::stop);
}

TEST(Ladder, ACalmStretchBeginsAtTheFirstRungAgain) {
  Ladder l = ladder("replay,skip:20,stop");
  l.next(100);
  EXPECT_EQ(l.next(300).text(), "skip:20");  // 200 steps later: still the same trouble
  EXPECT_EQ(l.next(501).text(), "replay");
  // An incident before the last one, after a rollback, is no calm stretch.
  EXPECT_EQ(l.next(450).text(), "skip:20");
  EXPECT_EQ(l.next(701).text(), "stop");
}

TEST(Ladder, StateSurvivesARestart) {
  Ladder before = ladder("replay,skip:20,stop");
  before.next(100);
  Ladder after = ladder("replay,skip:20,stop");
  ASSERT_TRUE(after.load(before.state()).ok());
  EXPECT_EQ(after.next(110).text(), "skip:20");
  EXPECT_FALSE(after.load({{"next", 1}}).ok());
}

TEST(Ladder, RefusesWhatIsNoRung) {
  for (const char* spec :
       {"", ",", "replay,", "replay:", "replay:1", "stop:", "skip", "skip:", "skip:0", "skip:-1",
        "skip:x", "skip:4000M", "rollback", "rollback:", "rollback:+5", "rollback:5+",
        "rollback:-5", "off,stop", "hope"}) {
    const auto parsed = Ladder::parse(spec);
    ASSERT_FALSE(parsed.ok()) << spec;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << spec;
    EXPECT_NE(parsed.error().message().find("is not a rung"), std::string::npos) << spec;
  }
}

TEST(Ladder, NamesWhatIsNotBuilt) {
  for (const char* spec : {"wait:200", "lr:0.5", "clip:1", "drop-source:a"}) {
    const auto parsed = Ladder::parse(spec);
    ASSERT_FALSE(parsed.ok()) << spec;
    EXPECT_NE(parsed.error().message().find("is not built"), std::string::npos) << spec;
  }
}

}  // namespace
}  // namespace ballast
