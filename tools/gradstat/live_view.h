// What `follow` shows on a terminal: where the run is, how fast, how long it still takes, loss and
// norm with the branches that were left, and the last events and alarms. Pure; one thread. Keeps
// the last 20,000 steps or more.
#pragma once

#include <deque>
#include <string>

#include "libcore/guard/history.h"
#include "libcore/trace/parser.h"
#include "tools/gradstat/watch.h"

namespace ballast {

class LiveView {
 public:
  void take(const TraceRecord& record);
  void add_alarm(const Alarm& alarm);
  bool empty() const { return shown_.rows.empty(); }
  // At most `rows` lines of at most `columns`; `idle` seconds have passed since the last record.
  std::string draw(int columns, int rows, double idle) const;

 private:
  struct Pace {
    double steps_per_s = 0, tokens_per_s = 0;  // NaN: not known
  };
  void take_step(const StepRecord& step);
  void leave_after(int64_t step);
  Pace pace() const;
  std::string head(double idle) const;
  std::string news(size_t most) const;

  RunHistory shown_;
  std::deque<std::string> news_;  // newest last
  int64_t alarms_ = 0, segments_ = 0;
};

// Cuts lines to so many columns and the text to so many lines. Colours are not counted, and ended
// where a line is cut.
std::string fit_screen(std::string_view text, int columns, int rows);

}  // namespace ballast
