#include "libcore/checkpoint/forks.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

class Lines {
 public:
  Lines& add(const std::string& event, const Json& fields) {
    const JournalContents before = *parse_journal(text_, "journal");
    text_ += journal_line(static_cast<int64_t>(before.records.size()) + 1, 0, event, fields,
                          before.last_hash);
    return *this;
  }
  Lines& fork(const std::string& event, int64_t step, int64_t fork, const Json& skip) {
    return add(event, {{"step", step}, {"fork", fork}, {"skip", skip}, {"ladder", Json::object()}});
  }
  JournalContents contents() const { return *parse_journal(text_, "journal"); }

 private:
  std::string text_;
};

std::vector<int64_t> steps(const std::vector<Fork>& forks) {
  std::vector<int64_t> result;
  for (const Fork& fork : forks) result.push_back(fork.step);
  return result;
}

TEST(Forks, AreTakenOnTheWayFromAnOlderState) {
  Lines lines;
  lines.add("start", {{"step", 0}, {"segment", 0}});
  lines.fork("restore", 90, 100, Json::array({Json::array({400, 420})}));
  lines.fork("rollback", 100, 126, Json::array());
  const auto from_start = forks_ahead(lines.contents(), 0, 0);
  ASSERT_TRUE(from_start.ok());
  EXPECT_EQ(steps(*from_start), (std::vector<int64_t>{100, 126}));
  EXPECT_EQ((*from_start)[0].skip, (std::vector<SkipRange>{{400, 420}}));
  EXPECT_EQ((*from_start)[0].seq, 2);
  EXPECT_EQ(steps(*forks_ahead(lines.contents(), 100, 0)), (std::vector<int64_t>{100, 126}));
  EXPECT_EQ(steps(*forks_ahead(lines.contents(), 100, 2)), (std::vector<int64_t>{126}));
  EXPECT_EQ(steps(*forks_ahead(lines.contents(), 110, 2)), (std::vector<int64_t>{126}));
  EXPECT_TRUE(forks_ahead(lines.contents(), 130, 3)->empty());
}

TEST(Forks, AnEarlierOneSupersedesThoseAfterIt) {
  Lines lines;
  lines.fork("restore", 90, 100, Json::array());
  lines.fork("restore", 120, 120, Json::array());
  lines.fork("rollback", 50, 110, Json::array());
  EXPECT_EQ(steps(*forks_ahead(lines.contents(), 0, 0)), (std::vector<int64_t>{100, 110}));
}

TEST(Forks, AnOperatorsRollbackLeavesThoseAfterItsCheckpoint) {
  Lines lines;
  lines.fork("restore", 90, 100, Json::array());
  lines.fork("restore", 140, 145, Json::array());
  lines.add("rollback", {{"step", 120}, {"skip", Json::array()}});
  EXPECT_EQ(steps(*forks_ahead(lines.contents(), 90, 0)), (std::vector<int64_t>{100}));
}

TEST(Forks, AReplayForksBeforeTheStepItRepeats) {
  Lines lines;
  lines.add("replay", {{"step", 33}, {"segment", 1}, {"ladder", Json::object()}});
  EXPECT_EQ(steps(*forks_ahead(lines.contents(), 0, 0)), (std::vector<int64_t>{32}));
}

TEST(Forks, ADamagedLineIsAnError) {
  Lines lines;
  lines.add("restore", {{"step", -4}, {"ladder", Json::object()}});
  EXPECT_FALSE(forks_ahead(lines.contents(), 0, 0).ok());
}

TEST(Restarts, CountTheStartsFromOneStep) {
  Lines lines;
  const auto start = [&](const char* event, int64_t step) {
    lines.add(event, {{"step", step}, {"segment", 0}});
    return restarts_without_progress(lines.contents());
  };
  EXPECT_EQ(restarts_without_progress(lines.contents()), 0);
  EXPECT_EQ(start("start", 0), 0);
  EXPECT_EQ(start("resume", 0), 1);
  EXPECT_EQ(start("resume", 0), 2);
  EXPECT_EQ(start("resume", 10), 0);
  EXPECT_EQ(start("resume", 10), 1);
  lines.add("resume", {{"step", 4}, {"segment", 0}, {"reason", "guard"}});  // not a restart
  EXPECT_EQ(start("resume", 10), 2);
  lines.add("guard-stop", {{"step", 10}});
  EXPECT_EQ(start("resume", 10), 0);
}

}  // namespace
}  // namespace ballast
