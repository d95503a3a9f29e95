// The only place that asks what kind of terminal a stream is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ballast {

enum class Stream { out, err };
bool is_terminal(Stream stream);
// --color, then NO_COLOR non-empty, then TERM=dumb, then isatty.
void set_color_mode(std::string_view mode);  // auto, always, never
bool use_color(Stream stream);
int terminal_columns();  // COLUMNS, then the ioctl, then 80
int terminal_rows();

// ANSI styles that are empty strings when the stream has no colour.
struct Style {
  std::string_view bold, dim, red, green, yellow, blue, reset;
};
const Style& style(Stream stream);

// One line of progress on stderr: on a terminal it is redrawn at most ten times a second, elsewhere
// nothing is written.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // clears the line
  bool wanted() const { return active_; }
  void update(std::string_view text);  // cut to the width of the terminal
  void clear();

 private:
  bool active_ = false;
  bool drawn_ = false;
  int64_t last_ns_ = 0;
};

// Takes a drawn progress line off the screen before something else is said on stderr.
void clear_progress_for_message();

}  // namespace ballast
