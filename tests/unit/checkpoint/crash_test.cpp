// The promise of ballast-checkpoint(5): wherever a save, a rollback or a pruning is cut off, an old
// or a new checkpoint can be resumed from. Every operation on the disk is made to fail in turn,
// once with what a dead process leaves and once with what a power cut leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "libcore/checkpoint/retention.h"
#include "libcore/checkpoint/rollback.h"
#include "libcore/io/memory_file_system.h"
#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

enum class Damage { process_died, power_cut, one_error };

void prepare(MemoryFileSystem& fs, const std::vector<int64_t>& steps) {
  ASSERT_TRUE(fs.make_directories("run").ok());
  ASSERT_TRUE(fs.sync_directory(".").ok());
  ASSERT_TRUE(append_journal(fs, "run", "start", {{"segment", 0}}).ok());
  for (const int64_t step : steps) ASSERT_TRUE(save_tiny(fs, "run", step).ok());
}

// What a resume finds must load, be whole, and be one of `allowed`.
void expect_resumable(FileSystem& fs, const std::vector<int64_t>& allowed,
                      const std::string& where) {
  const auto plan = plan_resume(fs, "run");
  ASSERT_TRUE(plan.ok()) << where << ": " << plan.error().message();
  ASSERT_TRUE(plan->checkpoint.has_value()) << where;
  EXPECT_THAT(allowed, ::testing::Contains(plan->checkpoint->step)) << where;
  TinyState into(0);
  const auto loaded = load_tiny(fs, plan->checkpoint->path, into);
  ASSERT_TRUE(loaded.ok()) << where << ": " << loaded.error().message();
  EXPECT_TRUE(into == TinyState(static_cast<uint64_t>(plan->checkpoint->step))) << where;
  const auto names = fs.list("run/ckpt");
  for (const std::string& name : *names)
    EXPECT_TRUE(step_of_directory(name) >= 0 || name == "latest") << where << ": " << name;
}

// Runs `action` on a run with checkpoints of `steps`, cut off at every operation.
void cut_everywhere(const std::vector<int64_t>& steps, const std::vector<int64_t>& allowed,
                    const std::function<Result<void>(FileSystem&)>& action) {
  for (const Damage damage : {Damage::process_died, Damage::power_cut, Damage::one_error}) {
    bool finished = false;
    for (int64_t at = 1; !finished; ++at) {
      ASSERT_LT(at, 500);
      MemoryFileSystem disk;
      prepare(disk, steps);
      FaultyFileSystem faulty(disk, at, damage != Damage::one_error);
      (void)action(faulty);
      finished = faulty.operations() < at;
      if (damage == Damage::power_cut) disk.crash();
      const std::string where = "operation " + std::to_string(at) + ", damage " +
                                std::to_string(static_cast<int>(damage));
      expect_resumable(disk, finished ? std::vector<int64_t>{allowed.back()} : allowed, where);
    }
  }
}

TEST(Crash, SavingLeavesTheOldOrTheNew) {
  cut_everywhere({100}, {100, 200}, [](FileSystem& fs) -> Result<void> {
    BALLAST_TRY(save_tiny(fs, "run", 200));
    return {};
  });
}

TEST(Crash, TheFirstSaveLeavesNothingOrAll) {
  for (int64_t at = 1;; ++at) {
    ASSERT_LT(at, 500);
    MemoryFileSystem disk;
    prepare(disk, {});
    FaultyFileSystem faulty(disk, at);
    const auto saved = save_tiny(faulty, "run", 100);
    disk.crash();
    const auto newest = newest_checkpoint(disk, "run");
    ASSERT_TRUE(newest.ok()) << newest.error().message();
    EXPECT_TRUE(!saved.ok() || newest->has_value()) << "a save that was reported must be there";
    if (newest->has_value()) {
      TinyState into(0);
      EXPECT_TRUE(load_tiny(disk, (*newest)->path, into).ok());
      EXPECT_TRUE(into == TinyState(100));
    }
    if (faulty.operations() < at) break;
  }
}

TEST(Crash, ASuccessfulSaveSurvivesAPowerCut) {
  MemoryFileSystem disk;
  prepare(disk, {100, 200});
  disk.crash();
  expect_resumable(disk, {200}, "after the cut");
  EXPECT_EQ(*read_file(disk, "run/ckpt/latest"), "step-000000200\n");
}

TEST(Crash, RollingBackLeavesTheParentOrTheNewest) {
  cut_everywhere({100, 200, 300}, {300, 100}, [](FileSystem& fs) -> Result<void> {
    const RollbackPlan plan = BALLAST_TRY(plan_rollback(fs, "run", 150, {{800, 900}}));
    return execute_rollback(fs, "run", plan, "test");
  });
}

TEST(Crash, PruningNeverTakesTheNewest) {
  cut_everywhere({100, 200, 300}, {300}, [](FileSystem& fs) -> Result<void> {
    RetentionPolicy policy;
    policy.last = 1;
    BALLAST_TRY(apply_retention(fs, "run", policy, true));
    return {};
  });
}

TEST(Crash, AFullDiskIsSaidAndChangesNothing) {
  MemoryFileSystem disk;
  prepare(disk, {100});
  disk.set_free_bytes(1000);
  const auto saved = save_tiny(disk, "run", 200);
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().kind, ErrorKind::io);
  EXPECT_NE(saved.error().message().find("not enough space"), std::string::npos);
  EXPECT_EQ(disk.list("run/ckpt")->size(), 2u);  // step 100 and latest
}

}  // namespace
}  // namespace ballast
