#include "libcore/cli/message.h"

#include <gtest/gtest.h>

#include <vector>

#include "libcore/cli/exit_code.h"

namespace ballast {
namespace {

TEST(NearestWord, FindsTyposAndLeavesStrangersAlone) {
  const std::vector<std::string> words = {"inspect", "verify", "convert", "prune", "--threads"};
  EXPECT_EQ(nearest_word("inspct", words), "inspect");
  EXPECT_EQ(nearest_word("verfiy", words), "verify");
  EXPECT_EQ(nearest_word("--thread", words), "--threads");
  EXPECT_EQ(nearest_word("zebra", words), "");
  EXPECT_EQ(nearest_word("", words), "");
  EXPECT_EQ(nearest_word(std::string(100000, 'a'), words), "");
  EXPECT_EQ(nearest_word("prune", {}), "");
}

std::string said(void (*speak)()) {
  ::testing::internal::CaptureStderr();
  speak();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Message, IsOneHarmlessLine) {
  set_message_prefix("ckpt", Verbosity::normal);
  EXPECT_EQ(said([] { print_error(io_error("cannot open", "a\nb\x1b[2J", "gone")); }),
            "ckpt: error: cannot open: a\\x0Ab\\x1B[2J (gone)\n");
  EXPECT_EQ(said([] { print_warning("w"); }), "ckpt: warning: w\n");
  EXPECT_EQ(said([] { print_hint("h"); }), "ckpt: hint: h\n");
}

TEST(Message, VerbosityDecidesWhatIsSaid) {
  const auto speak = [] {
    print_note("note");
    print_verbose("more");
    print_warning("w");
  };
  set_message_prefix("ckpt", Verbosity::quiet);
  EXPECT_EQ(said(speak), "ckpt: warning: w\n");
  set_message_prefix("ckpt", Verbosity::normal);
  EXPECT_EQ(said(speak), "ckpt: note\nckpt: warning: w\n");
  set_message_prefix("ckpt", Verbosity::verbose);
  EXPECT_EQ(said(speak), "ckpt: note\nckpt: more\nckpt: warning: w\n");
}

TEST(ExitCode, EveryKindHasItsCode) {
  EXPECT_EQ(exit_code_of(ErrorKind::usage), 2);
  EXPECT_EQ(exit_code_of(ErrorKind::io), 3);
  EXPECT_EQ(exit_code_of(ErrorKind::corrupt), 3);
  EXPECT_EQ(exit_code_of(ErrorKind::device), 4);
  EXPECT_EQ(exit_code_of(ErrorKind::guard), 5);
  EXPECT_EQ(exit_code_of(ErrorKind::hardware), 6);
  EXPECT_EQ(exit_code_of(ErrorKind::insufficient), 7);
}

}  // namespace
}  // namespace ballast
