#include "libcore/guard/ladder.h"

#include <gtest/gtest.h>

#include <string>

namespace ballast {
namespace {

constexpr IncidentKind kJump = IncidentKind::jump, kNonfinite = IncidentKind::nonfinite;

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
  EXPECT_EQ(l.attempts(kJump), 0);
  EXPECT_EQ(l.next(kJump, 100).text(), "replay");
  EXPECT_EQ(l.next(kJump, 100).text(), "skip:20");
  EXPECT_EQ(l.next(kJump, 101).text(), "rollback:1000+3");
  EXPECT_EQ(l.next(kJump, 120).text(), "rollback:50+20");
  EXPECT_EQ(l.attempts(kJump), 4);
  EXPECT_EQ(l.next(kJump, 130).kind, RungKind::stop);
  EXPECT_EQ(l.next(kJump, 131).kind, RungKind::stop);
}

TEST(Ladder, KnowsEveryRungByItsText) {
  const std::string spec =
      "wait:200,replay,skip:20,rollback:1000+0,lr:0.5,clip:0.3,drop-source,stop";
  Ladder l = ladder(spec);
  std::string texts;
  for (int i = 0; i < 8; ++i) texts += (i == 0 ? "" : ",") + l.next(kJump, 100).text();
  EXPECT_EQ(texts, spec);
  EXPECT_EQ(l.longest_way_back(), 1000);
  EXPECT_TRUE(l.has(RungKind::drop_source));
  EXPECT_FALSE(ladder("replay,stop").has(RungKind::drop_source));
}

TEST(Ladder, ANanDoesNotClimbTheLadderOfASpike) {
  Ladder l = ladder("replay,skip:20,stop");
  EXPECT_EQ(l.next(kJump, 100).text(), "replay");
  EXPECT_EQ(l.next(kNonfinite, 150).text(), "replay");
  EXPECT_EQ(l.next(kJump, 160).text(), "skip:20");
  EXPECT_EQ(l.next(kNonfinite, 170).text(), "skip:20");
  EXPECT_EQ(l.attempts(kJump), 2);
  EXPECT_EQ(l.attempts(kNonfinite), 2);
}

TEST(Ladder, ACalmStretchBeginsAtTheFirstRungAgain) {
  Ladder l = ladder("replay,skip:20,stop");
  l.next(kJump, 100);
  EXPECT_EQ(l.next(kJump, 300).text(), "skip:20");  // 200 steps later: still the same trouble
  EXPECT_EQ(l.next(kJump, 501).text(), "replay");
  // An incident before the last one, after a rollback, is no calm stretch.
  EXPECT_EQ(l.next(kJump, 450).text(), "skip:20");
  EXPECT_EQ(l.next(kJump, 701).text(), "stop");
}

TEST(Ladder, StateSurvivesARestart) {
  Ladder before = ladder("replay,skip:20,stop");
  before.next(kJump, 100);
  Ladder after = ladder("replay,skip:20,stop");
  ASSERT_TRUE(after.load(before.state()).ok());
  EXPECT_EQ(after.next(kNonfinite, 110).text(), "replay");
  EXPECT_EQ(after.next(kJump, 110).text(), "skip:20");
  EXPECT_FALSE(after.load({{"next", 1}}).ok());
  Json negative = before.state();
  negative["jump"]["next"] = -1;
  EXPECT_FALSE(after.load(negative).ok());
}

TEST(Ladder, TheRecoveriesOfThePlaybookHaveNames) {
  for (const NamedLadder& named : kNamedLadders)
    EXPECT_EQ(ladder(std::string(named.name)).spec(), named.ladder);
  EXPECT_FALSE(Ladder::parse("skip-batch,stop").ok());  // a name is a whole ladder
}

TEST(Ladder, RefusesWhatIsNoRung) {
  for (const char* spec : {"",
                           ",",
                           "replay,",
                           "replay:",
                           "replay:1",
                           "stop:",
                           "skip",
                           "skip:",
                           "skip:0",
                           "skip:-1",
                           "skip:x",
                           "skip:4000M",
                           "rollback",
                           "rollback:",
                           "rollback:+5",
                           "rollback:5+",
                           "rollback:-5",
                           "off,stop",
                           "hope",
                           "wait",
                           "wait:0",
                           "lr",
                           "lr:",
                           "lr:0",
                           "lr:1",
                           "lr:-1",
                           "lr:nan",
                           "clip",
                           "clip:0",
                           "clip:inf",
                           "clip:x",
                           "drop-source:a"}) {
    const auto parsed = Ladder::parse(spec);
    ASSERT_FALSE(parsed.ok()) << spec;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << spec;
    EXPECT_NE(parsed.error().message().find("is not a rung"), std::string::npos) << spec;
  }
}

}  // namespace
}  // namespace ballast
