#include "libcore/cli/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <stdlib.h>
#include <unistd.h>

namespace ballast {
namespace {

// Gives stderr a terminal of 40 columns for the time of one test.
class OnTerminal : public ::testing::Test {
 protected:
  void SetUp() override {
    winsize size{};
    size.ws_row = 10;
    size.ws_col = 40;
    int slave = -1;
    if (::openpty(&master_, &slave, nullptr, nullptr, &size) != 0)
      GTEST_SKIP() << "no pseudo-terminals: is /dev/pts mounted?";
    saved_ = ::dup(STDERR_FILENO);
    ::dup2(slave, STDERR_FILENO);
    ::close(slave);
    ::fcntl(master_, F_SETFL, O_NONBLOCK);
    ::unsetenv("NO_COLOR");
    ::unsetenv("COLUMNS");
    ::unsetenv("LINES");
    ::setenv("TERM", "xterm", 1);
    set_color_mode("auto");
  }
  void TearDown() override {
    if (saved_ < 0) return;
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    ::close(master_);
  }
  std::string on_screen() const {
    std::string text(4096, '\0');
    const ssize_t n = ::read(master_, text.data(), text.size());
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return text;
  }

 private:
  int master_ = -1;
  int saved_ = -1;
};

TEST_F(OnTerminal, ColourFollowsTheModeThenTheEnvironmentThenTheStream) {
  EXPECT_TRUE(use_color(Stream::err));
  EXPECT_EQ(style(Stream::err).red, "\x1b[31m");
  set_color_mode("never");
  EXPECT_FALSE(use_color(Stream::err));
  EXPECT_EQ(style(Stream::err).red, "");
  set_color_mode("always");
  ::setenv("NO_COLOR", "0", 1);
  EXPECT_TRUE(use_color(Stream::out));
  set_color_mode("auto");
  EXPECT_FALSE(use_color(Stream::err)) << "any non-empty NO_COLOR counts";
  ::setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(use_color(Stream::err));
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(use_color(Stream::err));
}

TEST_F(OnTerminal, SizeComesFromTheVariableThenTheTerminal) {
  EXPECT_EQ(terminal_columns(), 40);
  EXPECT_EQ(terminal_rows(), 10);
  ::setenv("COLUMNS", "120", 1);
  EXPECT_EQ(terminal_columns(), 120);
  ::setenv("COLUMNS", "wide", 1);
  EXPECT_EQ(terminal_columns(), 40);
}

TEST_F(OnTerminal, ProgressIsOneLineCutToTheWidth) {
  {
    ProgressLine line;
    EXPECT_TRUE(line.wanted());
    line.update("a\x1b[2J" + std::string(100, 'b'));
    EXPECT_EQ(on_screen(), "\r\x1b[Ka\\x1B[2J" + std::string(31, 'b'));
    line.update("too soon to be drawn");
    EXPECT_EQ(on_screen(), "");
  }
  EXPECT_EQ(on_screen(), "\r\x1b[K");
}

TEST(Progress, IsSilentOffATerminal) {
  ::testing::internal::CaptureStderr();
  {
    ProgressLine line;
    EXPECT_FALSE(line.wanted());
    line.update("x");
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace ballast
