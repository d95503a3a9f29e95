#include "tools/gradstat/terminal_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"
#include "tools/gradstat/braille.h"

namespace ballast {
namespace {

constexpr int kChartFrame = 3;  // title, axis, steps
constexpr size_t kMostMarks = 10;

bool any(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

std::string mark_list(const Curves& curves) {
  std::string text;
  size_t shown = 0;
  for (const Mark& mark : curves.marks) {
    if (shown++ == kMostMarks)
      return text + fmt::format("  ... and {} more\n", curves.marks.size() - kMostMarks);
    text += fmt::format("  \u25b2 {:>8}  {}\n", mark.step, printable(mark.label));
  }
  return text;
}

}  // namespace

std::string terminal_charts(const Curves& curves, int64_t smooth, int columns, int rows) {
  const Style& s = style(Stream::out);
  const int marks = static_cast<int>(std::min(curves.marks.size(), kMostMarks + 1));
  const int height = std::clamp((rows - 2 - marks) / 2 - kChartFrame, 5, 16);
  BrailleChart chart;
  chart.steps = &curves.steps;
  chart.columns = std::min(columns, 160);
  chart.rows = height;
  for (const Mark& mark : curves.marks) chart.marks.push_back(mark.step);
  chart.title = fmt::format("{}loss{}", s.bold, s.reset);
  const BrailleSeries left_loss = {&curves.abandoned_loss, s.dim, &curves.abandoned_steps};
  const BrailleSeries left_norm = {&curves.abandoned_norm, s.dim, &curves.abandoned_steps};
  chart.series = {left_loss, {&curves.loss, s.blue}};
  std::string text = draw(chart, s.reset);
  if (any(curves.norm)) {
    chart.title =
        fmt::format("{}gradient norm{}{}, log scale ({}before{} and {}after{} clipping)", s.bold,
                    s.reset, smooth > 1 ? fmt::format(", mean of {} steps", smooth) : "", s.yellow,
                    s.reset, s.green, s.reset);
    chart.series = {left_norm, {&curves.norm, s.yellow}, {&curves.norm_clipped, s.green}};
    chart.logarithmic = true;
    text += draw(chart, s.reset);
  }
  return text + mark_list(curves);
}

}  // namespace ballast
