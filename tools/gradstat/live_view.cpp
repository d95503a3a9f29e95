#include "tools/gradstat/live_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/units.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/terminal_charts.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kShownSteps = 20000;
constexpr size_t kNews = 50;
constexpr int64_t kPaceSteps = 100;

std::string clock_of(int64_t time_us) {
  return time_us > 0 ? format_time_us(time_us).substr(11, 8) + " " : "";
}

}  // namespace

void LiveView::leave_after(int64_t step) {
  for (auto row = shown_.rows.rbegin(); row != shown_.rows.rend(); ++row)
    if (row->step > step) row->surviving = false;
}

void LiveView::take(const TraceRecord& record) {
  if (record.type == RecordType::run) {
    shown_.runs = {record.run};
    ++segments_;
    if (record.run.parent_step) leave_after(*record.run.parent_step);
    if (segments_ > 1 && record.run.parent_step)
      news_.push_back(fmt::format("{}segment {} goes on from step {}", clock_of(record.run.time_us),
                                  record.run.segment, *record.run.parent_step));
  } else if (record.type == RecordType::step) {
    take_step(record.step);
  } else if (record.type == RecordType::event && record.event.event != "checkpoint") {
    shown_.events.push_back(record.event);
    const EventRecord& e = record.event;
    news_.push_back(fmt::format("{}step {}: {}{}", clock_of(e.time_us), e.step, printable(e.event),
                                e.reason.empty() ? "" : ", " + printable(e.reason)));
  }
  while (news_.size() > kNews) news_.pop_front();
}

void LiveView::take_step(const StepRecord& step) {
  StepRow row = row_of(step);
  row.threshold = kNone;  // a live view draws none
  row.surviving = true;
  if (!shown_.rows.empty() && shown_.rows.back().step >= row.step) leave_after(row.step - 1);
  shown_.rows.push_back(row);
  if (shown_.rows.size() > 2 * kShownSteps)
    shown_.rows.erase(shown_.rows.begin(),
                      shown_.rows.begin() + static_cast<std::ptrdiff_t>(kShownSteps));
}

void LiveView::add_alarm(const Alarm& alarm) {
  ++alarms_;
  const Style& s = style(Stream::out);
  news_.push_back(fmt::format("{}{}{}", s.red, alarm.text, s.reset));
  shown_.events.push_back({alarm.segment, 0, alarm.step, alarm.kind, alarm.metric, Json()});
}

// From the clock of the last steps, pauses for checkpoints included; else what the run says.
LiveView::Pace LiveView::pace() const {
  const StepRow* last = nullptr;
  const StepRow* first = nullptr;
  int64_t count = 0;
  for (auto row = shown_.rows.rbegin(); row != shown_.rows.rend() && count <= kPaceSteps; ++row) {
    if (!row->surviving || row->segment != shown_.rows.back().segment) continue;
    if (last == nullptr) last = &*row;
    first = &*row;
    ++count;
  }
  if (count < 2 || last->time_us <= first->time_us)
    return {kNone, last == nullptr ? kNone : last->tokens_per_s};
  const double seconds = static_cast<double>(last->time_us - first->time_us) * 1e-6;
  return {static_cast<double>(last->step - first->step) / seconds,
          last->tokens > first->tokens ? static_cast<double>(last->tokens - first->tokens) / seconds
                                       : kNone};
}

std::string LiveView::head(double idle) const {
  const Style& s = style(Stream::out);
  const StepRow& row = shown_.rows.back();
  const RunRecord run = shown_.runs.empty() ? RunRecord() : shown_.runs.front();
  std::string text = s.bold.empty() ? "" : std::string(s.bold);
  if (!run.run.empty()) text += printable(run.run) + "  ";
  text += fmt::format("step {}{}", row.step, s.reset);
  if (row.tokens > 0) text += "  " + format_count(row.tokens) + " tokens";
  const bool total = run.total_tokens && *run.total_tokens > 0;
  if (total)
    text += fmt::format(" ({:.1f} %)", 100 * static_cast<double>(row.tokens) /
                                           static_cast<double>(*run.total_tokens));
  if (segments_ > 1) text += fmt::format("  segment {}", row.segment);
  if (alarms_ > 0)
    text += fmt::format("  {}{} alarm{}{}", s.red, alarms_, alarms_ == 1 ? "" : "s", s.reset);
  text += fmt::format("\nloss {}  norm {}", short_number(row.loss), short_number(row.norm));
  if (std::isfinite(row.lr)) text += fmt::format("  lr {}", short_number(row.lr));
  const Pace p = pace();
  if (std::isfinite(p.steps_per_s))
    text += p.steps_per_s >= 1 ? fmt::format("  {} steps/s", short_number(p.steps_per_s))
                               : fmt::format("  {} s/step", short_number(1 / p.steps_per_s));
  if (std::isfinite(p.tokens_per_s))
    text += fmt::format("  {} tokens/s", format_count(std::llround(p.tokens_per_s)));
  if (total && p.tokens_per_s > 0 && *run.total_tokens > row.tokens)
    text += fmt::format(
        "  eta {}",
        format_seconds(static_cast<double>(*run.total_tokens - row.tokens) / p.tokens_per_s));
  if (idle >= 10)
    text += fmt::format("  {}silent for {}{}", s.yellow, format_seconds(idle), s.reset);
  return text + "\n";
}

std::string LiveView::news(size_t most) const {
  std::string text;
  const size_t count = std::min(most, news_.size());
  for (size_t i = news_.size() - count; i < news_.size(); ++i) text += "  " + news_[i] + "\n";
  return text;
}

std::string LiveView::draw(int columns, int rows, double idle) const {
  if (empty()) return fit_screen("waiting for steps\n", columns, rows);
  constexpr int kHead = 2;
  const size_t most = static_cast<size_t>(std::clamp(rows / 5, 1, 8));
  const std::string last = news(most);
  const auto lines = static_cast<int>(std::count(last.begin(), last.end(), '\n'));
  CurveOptions options;
  std::vector<PlotRun> runs = {{"", curves_of(shown_, {}, options)}};
  // The events stand below in words; under the charts they keep their ticks.
  PanelView view;
  std::string charts = terminal_charts(runs, view, columns, rows - kHead - lines, false);
  return fit_screen(head(idle) + charts + last, columns, rows);
}

std::string fit_screen(std::string_view text, int columns, int rows) {
  std::string result;
  int lines = 0, column = 0;
  bool colored = false;
  for (size_t i = 0; i < text.size() && lines < rows;) {
    const char c = text[i];
    if (c == '\x1b') {
      const size_t end = std::min(text.find('m', i), text.size() - 1);
      const std::string_view code = text.substr(i, end + 1 - i);
      colored = code != "\x1b[0m";
      result += code;
      i = end + 1;
      continue;
    }
    if (c == '\n') {
      if (colored) result += "\x1b[0m";
      colored = false;
      result += '\n';
      ++lines;
      column = 0;
      ++i;
      continue;
    }
    size_t length = 1;
    while (i + length < text.size() &&
           (static_cast<unsigned char>(text[i + length]) & 0xc0) == 0x80)
      ++length;
    if (column++ < columns) result += text.substr(i, length);
    i += length;
  }
  return result;
}

}  // namespace ballast
