#include "libcore/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

namespace ballast {
namespace {

enum class ColorMode { automatic, always, never };
ColorMode color_mode = ColorMode::automatic;  // set once at start

int descriptor(Stream stream) { return stream == Stream::out ? STDOUT_FILENO : STDERR_FILENO; }

// A positive number in an environment variable, else what the terminal says, else `fallback`.
int dimension(const char* variable, unsigned short winsize::*member, int fallback) {
  if (const char* text = std::getenv(variable)) {
    int value = 0;
    const auto [end, code] = std::from_chars(text, text + std::strlen(text), value);
    if (code == std::errc() && *end == '\0' && value > 0) return value;
  }
  winsize size{};
  for (const int fd : {STDERR_FILENO, STDOUT_FILENO})
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.*member > 0) return size.*member;
  return fallback;
}

}  // namespace

bool is_terminal(Stream stream) { return ::isatty(descriptor(stream)) == 1; }

void set_color_mode(std::string_view mode) {
  color_mode = mode == "always"  ? ColorMode::always
               : mode == "never" ? ColorMode::never
                                 : ColorMode::automatic;
}

bool use_color(Stream stream) {
  if (color_mode != ColorMode::automatic) return color_mode == ColorMode::always;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  if (term == nullptr || std::string_view(term) == "dumb") return false;
  return is_terminal(stream);
}

int terminal_columns() { return dimension("COLUMNS", &winsize::ws_col, 80); }
int terminal_rows() { return dimension("LINES", &winsize::ws_row, 24); }

const Style& style(Stream stream) {
  static constexpr Style kPlain;
  static constexpr Style kColored = {"\x1b[1m",  "\x1b[2m",  "\x1b[31m", "\x1b[32m",
                                     "\x1b[33m", "\x1b[34m", "\x1b[0m"};
  return use_color(stream) ? kColored : kPlain;
}

}  // namespace ballast
