#include "tools/gradstat/tail.h"

#include <gtest/gtest.h>

#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class TailTest : public ::testing::Test {
 protected:
  void add(const std::string& path, std::string_view text) {
    const auto file = fs_.open_append(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->append(bytes_of(text)).ok());
    ASSERT_TRUE((*file)->close().ok());
  }
  Tail open(const std::string& path) {
    Result<Tail> tail = Tail::open(fs_, path);
    EXPECT_TRUE(tail.ok());
    return std::move(tail.value());
  }
  // All lines there are now, "*" before the first of another file.
  static std::vector<std::string> lines(Tail& tail) {
    std::vector<std::string> found;
    while (true) {
      const Result<Tail::Next> next = tail.next(0);
      EXPECT_TRUE(next.ok());
      if (!next.ok() || next->state != Tail::State::line) return found;
      found.push_back((next->restarted ? "*" : "") + std::string(next->line));
    }
  }
  using Lines = std::vector<std::string>;
  MemoryFileSystem fs_;
};

TEST_F(TailTest, ReturnsLinesOnceTheyAreWhole) {
  add("t", "one\ntw");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail), (Lines{"one"}));
  add("t", "o");
  EXPECT_EQ(lines(tail), Lines{});
  add("t", "\nthree\n");
  EXPECT_EQ(lines(tail), (Lines{"two", "three"}));
  EXPECT_EQ(tail.line_number(), 3);
}

TEST_F(TailTest, WaitsForAFileAndForARun) {
  Tail file = open("late"), run = open("dir/run");
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(lines(file), Lines{});
  add("late", "a\n");
  EXPECT_EQ(lines(file), (Lines{"a"}));
  ASSERT_TRUE(fs_.make_directories("dir/run").ok());
  EXPECT_EQ(lines(run), Lines{});
  add("dir/run/trace.jsonl", "b\n");
  EXPECT_EQ(lines(run), (Lines{"b"}));
  EXPECT_EQ(run.path(), "dir/run/trace.jsonl");
}

TEST_F(TailTest, FinishesTheOldFileBeforeItTakesItsSuccessor) {
  add("t", "one\n");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail), (Lines{"one"}));
  add("t", "two\n");
  ASSERT_TRUE(fs_.rename("t", "t.1").ok());
  add("t.1", "three\n");
  add("t", "four\n");
  EXPECT_EQ(lines(tail), (Lines{"two", "three", "*four"}));
  EXPECT_EQ(tail.line_number(), 1);
}

TEST_F(TailTest, StaysWithTheOldFileWhileTheNewOneIsEmpty) {
  add("t", "one\n");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail), (Lines{"one"}));
  ASSERT_TRUE(fs_.rename("t", "t.1").ok());
  add("t", "");
  EXPECT_EQ(lines(tail), Lines{});
  add("t.1", "two\n");  // the writer has not noticed yet
  EXPECT_EQ(lines(tail), (Lines{"two"}));
  add("t", "three\n");
  EXPECT_EQ(lines(tail), (Lines{"*three"}));
}

TEST_F(TailTest, TheTornLineOfTheOldFileIsNoPartOfTheNewOne) {
  add("t", "one\nto");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail), (Lines{"one"}));
  ASSERT_TRUE(fs_.rename("t", "t.1").ok());
  add("t", "rn\n");
  EXPECT_EQ(lines(tail), (Lines{"*rn"}));
}

TEST_F(TailTest, ATruncatedFileBeginsAnew) {
  add("t", "one\ntwo\n");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail).size(), 2u);
  ASSERT_TRUE(fs_.truncate("t", 0).ok());
  add("t", "new\n");
  EXPECT_EQ(lines(tail), (Lines{"*new"}));
}

TEST_F(TailTest, AFileWrittenAnewInPlaceIsSeenThoughItIsLongerByNow) {
  add("t", "one\ntwo\n");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail).size(), 2u);
  ASSERT_TRUE(fs_.truncate("t", 0).ok());
  add("t", "another beginning\nand more\n");
  EXPECT_EQ(lines(tail), (Lines{"*another beginning", "and more"}));
}

TEST_F(TailTest, TheCutOfATornLineIsNoRestart) {
  add("t", "one\n{\"torn");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail), (Lines{"one"}));
  ASSERT_TRUE(fs_.truncate("t", 4).ok());
  add("t", "a line that is longer than what was cut\n");
  EXPECT_EQ(lines(tail), (Lines{"a line that is longer than what was cut"}));
}

TEST_F(TailTest, ZerosAreBytesThatAreStillToCome) {
  add("t", std::string("one\ntw\0\0\0\0", 10));
  Tail tail = open("t");
  EXPECT_EQ(lines(tail), (Lines{"one"}));
  EXPECT_EQ(lines(tail), Lines{});
  ASSERT_TRUE(fs_.truncate("t", 6).ok());
  add("t", "o\nthree\n");
  EXPECT_EQ(lines(tail), (Lines{"two", "three"}));
}

TEST_F(TailTest, ZerosThatStayAreHandedOnInTheEnd) {
  add("t", std::string("o\0e\n", 4));
  Tail tail = open("t");
  Lines found;
  for (int i = 0; i < 1000 && found.empty(); ++i) found = lines(tail);
  EXPECT_EQ(found, (Lines{std::string("o\0e", 3)}));
}

TEST_F(TailTest, LinesLongerThanAReadArrive) {
  const std::string line(300'000, 'x');
  add("t", "a\n" + line + "\nb\n");
  Tail tail = open("t");
  EXPECT_EQ(lines(tail), (Lines{"a", line, "b"}));
}

}  // namespace
}  // namespace ballast
