#include "libcore/checkpoint/retention.h"

#include <gtest/gtest.h>

#include "libcore/checkpoint/store.h"
#include "libcore/io/memory_file_system.h"
#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

std::vector<std::string> reasons(const std::vector<RetentionFacts>& facts,
                                 const std::string& policy) {
  std::vector<std::string> out;
  for (const auto& decision : decide_retention(facts, *parse_retention(policy, "--keep"))) {
    EXPECT_EQ(decision.keep, !decision.reason.empty());
    out.push_back(decision.reason);
  }
  return out;
}

TEST(Retention, KeepsByRule) {
  const std::vector<RetentionFacts> facts = {{100, true, false, false}, {200, true, false, false},
                                             {300, true, true, false},  {400, true, false, true},
                                             {500, true, false, false}, {600, true, false, false}};
  using Reasons = std::vector<std::string>;
  EXPECT_EQ(reasons(facts, "last=2"),
            (Reasons{"", "", "pinned", "rollback parent", "last=2", "newest"}));
  EXPECT_EQ(reasons(facts, "last=1,every=200"),
            (Reasons{"", "every=200", "pinned", "rollback parent", "", "newest"}));
  EXPECT_EQ(reasons(facts, "pinned"), (Reasons{"", "", "pinned", "rollback parent", "", "newest"}));
  EXPECT_EQ(reasons(facts, "all")[0], "all");
}

TEST(Retention, CountsCompleteOnesOnly) {
  const std::vector<RetentionFacts> facts = {
      {100, true, false, false}, {200, true, false, false}, {300, false, false, false}};
  EXPECT_EQ(reasons(facts, "last=1"), (std::vector<std::string>{"", "newest", "incomplete"}));
}

TEST(Retention, KeepsOneWayBack) {
  const std::vector<RetentionFacts> facts = {{100, true, false, false},
                                             {200, true, false, false},
                                             {201, false, false, false},
                                             {300, true, false, false}};
  RetentionPolicy policy = *parse_retention("last=1", "--keep");
  policy.way_back = {299};
  const auto decisions = decide_retention(facts, policy);
  EXPECT_FALSE(decisions[0].keep);
  EXPECT_EQ(decisions[1].reason, "way back");
  EXPECT_EQ(decisions[3].reason, "newest");
}

// Otherwise nothing would ever get old enough while `last` is short.
TEST(Retention, KeepsWhatWillBeOldEnoughNext) {
  RetentionPolicy policy = *parse_retention("last=1", "--keep");
  std::vector<RetentionFacts> kept;
  for (int64_t step = 0; step <= 1000; step += 10) {
    kept.push_back({step, true, false, false});
    policy.way_back = {step - 100};
    const auto decisions = decide_retention(kept, policy);
    for (size_t i = kept.size(); i-- > 0;)
      if (!decisions[i].keep) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_LE(kept.size(), 3u);
    if (step >= 200) {
      EXPECT_LE(kept.front().step, step - 100);
      EXPECT_GE(kept.front().step, step - 210);
    }
  }
}

TEST(Retention, RefusesMalformedPolicies) {
  for (const char* text :
       {"", "last", "last=0", "last=-1", "last=x", "every=", "newest", "last=3,"}) {
    const auto policy = parse_retention(text, "--keep");
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_EQ(policy.error().kind, ErrorKind::usage);
    EXPECT_EQ(policy.error().where, "--keep");
  }
}

TEST(Retention, RemovesFromTheRun) {
  MemoryFileSystem fs;
  for (const int64_t step : {100, 200, 300, 400}) ASSERT_TRUE(save_tiny(fs, "run", step).ok());
  ASSERT_TRUE(write_pin(fs, "run", {"good", "ckpt/step-000000100"}).ok());
  const RetentionPolicy policy = *parse_retention("last=2", "--keep");
  EXPECT_EQ(apply_retention(fs, "run", policy, false)->at(1).keep, false);
  EXPECT_EQ(list_checkpoints(fs, "run")->size(), 4u);  // that was only the plan
  ASSERT_TRUE(apply_retention(fs, "run", policy, true).ok());
  const auto left = *list_checkpoints(fs, "run");
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0].step, 100);
  EXPECT_EQ(left[1].step, 300);
  EXPECT_EQ(fs.list("run/ckpt")->size(), 4u);  // three, and latest
}

TEST(Retention, IncompleteIsRemovedOnlyOnRequest) {
  MemoryFileSystem fs;
  for (const int64_t step : {100, 200}) ASSERT_TRUE(save_tiny(fs, "run", step).ok());
  ASSERT_TRUE(fs.remove("run/ckpt/step-000000200/manifest.json").ok());
  ASSERT_TRUE(fs.make_directories("run/ckpt/step-000000300.tmp-12-ab").ok());
  ASSERT_TRUE(fs.make_directories("run/ckpt/.trash-step-000000050-12-ab/x").ok());
  ASSERT_TRUE(fs.make_directories("run/ckpt/mine").ok());
  ASSERT_TRUE(apply_retention(fs, "run", *parse_retention("last=1", "--keep"), true).ok());
  EXPECT_TRUE(fs.exists("run/ckpt/step-000000200"));
  EXPECT_EQ(remove_incomplete(fs, "run", false)->size(), 3u);
  EXPECT_TRUE(fs.exists("run/ckpt/step-000000200"));
  EXPECT_EQ(remove_incomplete(fs, "run", true)->size(), 3u);
  EXPECT_EQ(*fs.list("run/ckpt"), (std::vector<std::string>{"latest", "mine", "step-000000100"}));
}

}  // namespace
}  // namespace ballast
