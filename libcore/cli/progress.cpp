#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>

#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr int64_t kRedrawNs = 100'000'000;
constexpr std::string_view kClear = "\r\x1b[K";

std::atomic<bool> line_on_screen = false;

void put(std::string_view text) {
  // Progress is never worth an error.
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The first `columns` characters; one character is taken as one column.
std::string_view cut(std::string_view text, int columns) {
  int seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts && seen++ == columns) return text.substr(0, i);
  }
  return text;
}

}  // namespace

void clear_progress_for_message() {
  if (line_on_screen.exchange(false)) put(kClear);
}

ProgressLine::ProgressLine() {
  const char* term = std::getenv("TERM");
  active_ = is_terminal(Stream::err) && term != nullptr && std::string_view(term) != "dumb";
}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::update(std::string_view text) {
  if (!active_) return;
  const int64_t now = now_ns();
  if (last_ns_ != 0 && now - last_ns_ < kRedrawNs) return;
  last_ns_ = now;
  // The last column stays free: some terminals wrap as soon as it is written.
  const std::string line = printable(text);
  put(std::string(kClear) + std::string(cut(line, terminal_columns() - 1)));
  drawn_ = true;
  line_on_screen = true;
}

void ProgressLine::clear() {
  if (drawn_) clear_progress_for_message();
  drawn_ = false;
}

}  // namespace ballast
