#include "tools/pretrain/laws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace ballast {
namespace {

Laws make_laws(const std::string& clip, const std::string& ladder) {
  auto laws = Laws::make((*make_clipper(clip))->spec(), *Ladder::parse(ladder));
  EXPECT_TRUE(laws.ok());
  return std::move(*laws);
}

// Enough calm steps for the detector to have a verdict.
void warm_up(Laws& laws) {
  for (int i = 0; i < 40; ++i) {
    const double loss = 3 + 0.01 * (i % 3), norm = 1 + 0.01 * (i % 2);
    const Verdict verdict = laws.judge(loss, norm);
    EXPECT_EQ(laws.decide(verdict, loss, norm).skip_reason, "");
    laws.accept(loss, norm, {});
  }
}

TEST(Laws, AppliesACalmStepWithTheClippersFactor) {
  Laws laws = make_laws("fixed:0.5", "skip:5");
  warm_up(laws);
  const LawDecision decision = laws.decide(laws.judge(3, 1), 3, 1);
  EXPECT_EQ(decision.skip_reason, "");
  EXPECT_NEAR(decision.clip.factor, 0.5, 1e-5);
}

TEST(Laws, DropsWhatIsNotFiniteWithOrWithoutAGuard) {
  for (const char* ladder : {"off", "skip:5"}) {
    Laws laws = make_laws("fixed:1", ladder);
    const Verdict verdict = laws.judge(std::nan(""), 1);
    EXPECT_EQ(laws.decide(verdict, std::nan(""), 1).skip_reason, "nonfinite");
    EXPECT_EQ(laws.suspicious(verdict), laws.guarded());
  }
}

TEST(Laws, AGuardDropsAJumpUnlessItWaitsForOne) {
  Laws unguarded = make_laws("fixed:1", "off"), laws = make_laws("fixed:1", "wait:20");
  warm_up(unguarded);
  warm_up(laws);
  EXPECT_EQ(unguarded.decide(unguarded.judge(9, 1), 9, 1).skip_reason, "");
  EXPECT_EQ(laws.decide(laws.judge(9, 1), 9, 1).skip_reason, "guard");
  laws.unjudge();
  Alarm alarm;
  alarm.kind = IncidentKind::jump;
  alarm.onset = 41;
  laws.memory().wait.begin(alarm, 20);
  EXPECT_EQ(laws.decide(laws.judge(9, 1), 9, 1).skip_reason, "");
}

TEST(Laws, UnjudgingTakesTheLastJudgementBack) {
  Laws laws = make_laws("fixed:1", "skip:5");
  warm_up(laws);
  const Json before = laws.detector_state();
  EXPECT_TRUE(laws.judge(9, 1).loss.onset);
  EXPECT_NE(laws.detector_state(), before);
  laws.unjudge();
  EXPECT_EQ(laws.detector_state(), before);
  EXPECT_TRUE(laws.judge(9, 1).loss.onset);  // seen again
}

TEST(Laws, ACapKeepsTheStatisticsOfTheSameStrategy) {
  Laws laws = make_laws("zclip", "clip:0.3");
  warm_up(laws);
  const std::string spec = laws.clip_spec();
  const Json state = laws.clip_state();
  ASSERT_TRUE(laws.cap_clip(0.3).ok());
  EXPECT_NE(laws.clip_spec(), spec);
  EXPECT_EQ(laws.clip_state().at("mean"), state.at("mean"));
  ASSERT_TRUE(laws.cap_clip(0).ok());
  EXPECT_EQ(laws.clip_spec(), spec);
  EXPECT_EQ(laws.clip_state(), state);
}

TEST(Laws, StatesComeBackWithTheSameDecisions) {
  Laws laws = make_laws("zclip", "skip:5"), other = make_laws("zclip", "skip:5");
  warm_up(laws);
  laws.ladder().next(IncidentKind::jump, 40);
  laws.memory().warn(39);
  auto memory = other.load_guard_state(laws.guard_state());
  ASSERT_TRUE(memory.ok());
  other.memory() = *memory;
  const Json clipper = laws.clip_state();
  ASSERT_TRUE(other.load_clipper(&clipper).ok());
  EXPECT_EQ(other.guard_state(), laws.guard_state());
  const LawDecision a = laws.decide(laws.judge(3, 50), 3, 50),
                    b = other.decide(other.judge(3, 50), 3, 50);
  EXPECT_EQ(a.clip.factor, b.clip.factor);
  EXPECT_LT(a.clip.factor, 1);
  ASSERT_TRUE(other.load_clipper(nullptr).ok());
  EXPECT_NE(other.clip_state(), laws.clip_state());
}

TEST(Laws, AWayBackStaysForAnOnsetThatIsFoundLate) {
  Laws laws = make_laws("fixed:1", "skip:5,rollback:30,stop");
  const auto oldest = [&] { return std::ranges::min(laws.ways_back(200)); };
  EXPECT_TRUE(make_laws("fixed:1", "off").ways_back(200).empty());
  EXPECT_EQ(oldest(), 201 - 30);
  warm_up(laws);
  for (int i = 0; i < 70; ++i) laws.judge(9 - 0.05 * i, 1);  // it may yet be said that it stays
  EXPECT_EQ(oldest(), 201 - 70 - 30);
  Alarm alarm;
  alarm.onset = 100;
  alarm.warning = 62;
  laws.memory().wait.begin(alarm, 150);
  EXPECT_EQ(oldest(), 61);
  const std::vector<int64_t> ways = laws.ways_back(200);
  for (const int64_t way : {201 - kLeadSteps, 201 - 30L, 100 - kLeadSteps, 100 - 30L})
    EXPECT_TRUE(std::ranges::find(ways, way) != ways.end()) << way;
}

TEST(Laws, AnotherRunsJournalIsForgotten) {
  Laws laws = make_laws("fixed:1", "skip:5,stop");
  laws.ladder().next(IncidentKind::jump, 40);
  laws.memory().last_fork = 7;
  laws.memory().learn(0, 3);
  laws.forget_journal();
  EXPECT_EQ(laws.ladder().attempts(IncidentKind::jump), 0);
  EXPECT_EQ(laws.memory().last_fork, 0);
  EXPECT_TRUE(laws.memory().source_loss.empty());
}

}  // namespace
}  // namespace ballast
