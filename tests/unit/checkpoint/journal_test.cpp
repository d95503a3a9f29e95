#include "libcore/checkpoint/journal.h"

#include <gtest/gtest.h>

#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

Json rollback_fields(int64_t step, int64_t segment) {
  return {{"step", step},         {"segment", segment},
          {"parent_segment", 0},  {"abandoned", segment - 1},
          {"skip", {{100, 200}}}, {"reason", "spike"}};
}

class Journal : public ::testing::Test {
 protected:
  Journal() { EXPECT_TRUE(fs.make_directories("run").ok()); }
  void append(const std::string& event, const Json& fields) {
    const auto record = append_journal(fs, "run", event, fields);
    ASSERT_TRUE(record.ok()) << record.error().message();
  }
  std::string text() { return *read_file(fs, "run/journal.jsonl"); }
  MemoryFileSystem fs;
};

TEST_F(Journal, IsEmptyWhenMissing) {
  const auto journal = read_journal(fs, "run");
  ASSERT_TRUE(journal.ok());
  EXPECT_TRUE(journal->records.empty());
  EXPECT_EQ(next_segment(*journal), 0);
  EXPECT_FALSE(pending_rollback(*journal)->has_value());
}

TEST_F(Journal, ChainsItsLines) {
  append("start", {{"segment", 0}});
  append("note", {{"text", "a \"quoted\" line\nand another"}});
  const auto journal = read_journal(fs, "run");
  ASSERT_TRUE(journal.ok()) << journal.error().message();
  ASSERT_EQ(journal->records.size(), 2u);
  EXPECT_EQ(journal->records[1].seq, 2);
  EXPECT_EQ(journal->records[1].event, "note");
  EXPECT_EQ(journal->records[1].object.at("prev"), journal->records[0].object.at("hash"));
  EXPECT_EQ(journal->bytes, static_cast<int64_t>(text().size()));
}

TEST_F(Journal, NoticesEveryChangedByte) {
  append("start", {{"segment", 0}});
  append("note", {{"text", "x"}});
  const std::string good = text();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto parsed = parse_journal(changed, "j");
    // Without its LF the last line counts as torn.
    const bool torn = i + 1 == good.size();
    EXPECT_EQ(parsed.ok(), torn) << "byte " << i;
  }
}

TEST_F(Journal, NoticesMissingLines) {
  for (const char* event : {"start", "note", "note"}) append(event, Json::object());
  const std::string all = text();
  const size_t first = all.find('\n') + 1, second = all.find('\n', first) + 1;
  EXPECT_FALSE(parse_journal(all.substr(first), "j").ok());
  EXPECT_FALSE(parse_journal(all.substr(0, first) + all.substr(second), "j").ok());
}

TEST_F(Journal, CutsATornLineBeforeItAppends) {
  append("start", {{"segment", 0}});
  const std::string whole = text();
  {
    auto file = *fs.open_append("run/journal.jsonl");
    ASSERT_TRUE(file->append(as_bytes("{\"v\":1,\"seq\":2,\"ti")).ok());
    ASSERT_TRUE(file->close().ok());
  }
  EXPECT_EQ(read_journal(fs, "run")->torn_bytes, 18);
  append("note", Json::object());
  EXPECT_EQ(text().substr(0, whole.size()), whole);
  const auto journal = read_journal(fs, "run");
  ASSERT_TRUE(journal.ok()) << journal.error().message();
  EXPECT_EQ(journal->records.size(), 2u);
  EXPECT_EQ(journal->torn_bytes, 0);
}

TEST_F(Journal, RollbackIsPendingUntilTheRunGoesOn) {
  append("start", {{"segment", 0}});
  append("rollback", rollback_fields(300, 1));
  auto pending = *pending_rollback(fs, "run");
  ASSERT_TRUE(pending.has_value());
  EXPECT_EQ(pending->step, 300);
  EXPECT_EQ(pending->segment, 1);
  EXPECT_EQ(pending->skip, (std::vector<SkipRange>{{100, 200}}));
  append("rollback", rollback_fields(200, 2));  // the later one counts
  EXPECT_EQ((*pending_rollback(fs, "run"))->step, 200);
  append("note", Json::object());
  EXPECT_TRUE(pending_rollback(fs, "run")->has_value());
  append("resume", {{"segment", 2}});
  EXPECT_FALSE(pending_rollback(fs, "run")->has_value());
  const auto journal = *read_journal(fs, "run");
  EXPECT_EQ(rollback_parents(journal), (std::vector<int64_t>{300, 200}));
  EXPECT_EQ(next_segment(journal), 3);
}

}  // namespace
}  // namespace ballast
