#include "libcore/checkpoint/rollback.h"

#include <gtest/gtest.h>

#include "libcore/checkpoint/retention.h"
#include "libcore/io/memory_file_system.h"
#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

class Rollback : public ::testing::Test {
 protected:
  Rollback() {
    EXPECT_TRUE(fs.make_directories("run").ok());
    EXPECT_TRUE(append_journal(fs, "run", "start", {{"segment", 0}}).ok());
    for (const int64_t step : {100, 200, 300, 400}) EXPECT_TRUE(save_tiny(fs, "run", step).ok());
  }
  RollbackPlan plan(int64_t at_most, const std::vector<SkipRange>& skip = {}) {
    auto made = plan_rollback(fs, "run", at_most, skip);
    EXPECT_TRUE(made.ok()) << made.error().message();
    return *made;
  }
  std::vector<int64_t> steps() {
    std::vector<int64_t> out;
    const auto entries = list_checkpoints(fs, "run");
    for (const CheckpointEntry& entry : *entries) out.push_back(entry.step);
    return out;
  }
  MemoryFileSystem fs;
};

TEST_F(Rollback, PlansTheNewestCompleteParent) {
  const RollbackPlan made = plan(350, {{2000, 2100}, {2100, 2200}});
  EXPECT_EQ(made.parent.step, 300);
  EXPECT_EQ(made.segment, 1);
  EXPECT_EQ(made.abandoned, 0);
  EXPECT_EQ(made.moves, (std::vector<std::string>{"step-000000400"}));
  EXPECT_EQ(made.skip, (std::vector<SkipRange>{{2000, 2200}}));
  EXPECT_EQ(made.skip_all, (std::vector<SkipRange>{{16, 24}, {2000, 2200}}));
  ASSERT_TRUE(fs.remove("run/ckpt/step-000000300/state.json").ok());
  EXPECT_EQ(plan(350).parent.step, 200);
  const auto none = plan_rollback(fs, "run", 99, {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().message(),
            "no complete checkpoint at or before step 99: run (the oldest is of step 100)");
}

TEST_F(Rollback, MovesLaterCheckpointsAndTellsTheResume) {
  ASSERT_TRUE(write_pin(fs, "run", {"evidence", "ckpt/step-000000400"}).ok());
  ASSERT_TRUE(execute_rollback(fs, "run", plan(250, {{1600, 1700}}), "loss spike").ok());
  EXPECT_EQ(steps(), (std::vector<int64_t>{100, 200}));
  EXPECT_EQ(*read_file(fs, "run/ckpt/latest"), "step-000000200\n");
  EXPECT_EQ(resolve_checkpoint(fs, "run")->step, 200);
  EXPECT_EQ(resolve_checkpoint(fs, "run@pin:evidence")->path, "run/abandoned/seg-0/step-000000400");
  EXPECT_TRUE(check_complete(fs, "run/abandoned/seg-0/step-000000300").ok());

  const auto resume = plan_resume(fs, "run");
  ASSERT_TRUE(resume.ok()) << resume.error().message();
  EXPECT_EQ(resume->checkpoint->step, 200);
  EXPECT_EQ(resume->segment, 1);
  EXPECT_EQ(resume->add_skip, (std::vector<SkipRange>{{1600, 1700}}));
  EXPECT_EQ(resume->rollback->reason, "loss spike");

  ASSERT_TRUE(append_journal(fs, "run", "resume", {{"segment", 1}}).ok());
  ASSERT_TRUE(save_tiny(fs, "run", 300, tiny_options(), 1).ok());
  const auto later = plan_resume(fs, "run");
  EXPECT_EQ(later->checkpoint->step, 300);
  EXPECT_EQ(later->segment, 2);
  EXPECT_TRUE(later->add_skip.empty());
}

TEST_F(Rollback, ASecondOneAbandonsTheNextSegment) {
  ASSERT_TRUE(execute_rollback(fs, "run", plan(250), "first").ok());
  ASSERT_TRUE(append_journal(fs, "run", "resume", {{"segment", 1}}).ok());
  ASSERT_TRUE(save_tiny(fs, "run", 300, tiny_options(), 1).ok());
  ASSERT_TRUE(execute_rollback(fs, "run", plan(299), "second").ok());
  EXPECT_TRUE(fs.exists("run/abandoned/seg-0/step-000000300"));
  EXPECT_TRUE(fs.exists("run/abandoned/seg-1/step-000000300"));
  EXPECT_EQ(plan_resume(fs, "run")->segment, 2);
}

TEST_F(Rollback, ParentsSurvivePruning) {
  ASSERT_TRUE(execute_rollback(fs, "run", plan(100), "far").ok());
  ASSERT_TRUE(append_journal(fs, "run", "resume", {{"segment", 1}}).ok());
  for (const int64_t step : {150, 200}) {
    ASSERT_TRUE(save_tiny(fs, "run", step, tiny_options(), 1).ok());
  }
  ASSERT_TRUE(apply_retention(fs, "run", *parse_retention("last=1", "--keep"), true).ok());
  EXPECT_EQ(steps(), (std::vector<int64_t>{100, 200}));
}

TEST_F(Rollback, IsFinishedByTheNextResume) {
  const RollbackPlan made = plan(200, {{1600, 1700}});
  // The journal has it, and then the machine died.
  Json fields = {{"step", 200},    {"segment", 1},           {"parent_segment", 0},
                 {"abandoned", 0}, {"skip", {{1600, 1700}}}, {"reason", "r"}};
  ASSERT_TRUE(append_journal(fs, "run", "rollback", fields).ok());
  ASSERT_TRUE(fs.make_directories("run/ckpt/step-000000500.tmp-1-2").ok());
  const auto resume = plan_resume(fs, "run");
  ASSERT_TRUE(resume.ok()) << resume.error().message();
  EXPECT_EQ(resume->checkpoint->step, 200);
  EXPECT_EQ(steps(), (std::vector<int64_t>{100, 200}));
  EXPECT_EQ(resume->cleaned, (std::vector<std::string>{"step-000000500.tmp-1-2"}));
  EXPECT_TRUE(plan_resume(fs, "run").ok());  // and again
  EXPECT_EQ(made.parent.step, 200);
}

// The resumed run took the rollback up and died before its next checkpoint: the parent's state.json
// still knows nothing of the ranges.
TEST_F(Rollback, SkipsOutliveARunThatDiedBeforeItsNextCheckpoint) {
  ASSERT_TRUE(execute_rollback(fs, "run", plan(250, {{1600, 1700}}), "first").ok());
  ASSERT_TRUE(append_journal(fs, "run", "resume", {{"segment", 1}}).ok());
  EXPECT_EQ(plan_resume(fs, "run")->add_skip, (std::vector<SkipRange>{{1600, 1700}}));
  // A second rollback to the same parent adds to the first.
  const RollbackPlan second = plan(250, {{1800, 1900}});
  EXPECT_EQ(second.skip_all, (std::vector<SkipRange>{{16, 24}, {1600, 1700}, {1800, 1900}}));
  ASSERT_TRUE(execute_rollback(fs, "run", second, "second").ok());
  EXPECT_EQ(plan_resume(fs, "run")->add_skip, (std::vector<SkipRange>{{1600, 1700}, {1800, 1900}}));
}

TEST(Resume, StartsAnewInAnEmptyRun) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("run").ok());
  const auto resume = plan_resume(fs, "run");
  ASSERT_TRUE(resume.ok()) << resume.error().message();
  EXPECT_FALSE(resume->checkpoint.has_value());
  EXPECT_EQ(resume->segment, 0);
}

}  // namespace
}  // namespace ballast
