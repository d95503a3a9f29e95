#include "tools/gradstat/terminal_charts.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"
#include "tools/gradstat/braille.h"

namespace ballast {
namespace {

constexpr int kChartFrame = 3;  // title, axis, steps
constexpr size_t kMostMarks = 10;
constexpr int kMostColumns = 160;

std::string_view run_color(size_t run, const Style& s) {
  const std::string_view colors[] = {s.blue, s.yellow, s.green, s.red};
  return colors[run % std::size(colors)];
}

std::string_view curve_color(const PanelCurve& curve, const Style& s) {
  switch (curve.role) {
    case PanelCurve::Role::abandoned:
    case PanelCurve::Role::threshold:
      return s.dim;
    case PanelCurve::Role::before:
      return s.yellow;
    case PanelCurve::Role::after:
      return s.green;
    case PanelCurve::Role::line:
      break;
  }
  return run_color(curve.run, s);
}

std::string title_of(Panel panel, const PanelView& view, const std::vector<PanelCurve>& curves,
                     bool logarithmic) {
  const Style& s = style(Stream::out);
  std::string text = fmt::format("{}{}{}", s.bold, panel_title(panel), s.reset);
  const bool norm = panel == Panel::norms || panel == Panel::norm || panel == Panel::clipped;
  if (norm && view.smooth > 1) text += fmt::format(", mean of {} steps", view.smooth);
  if (logarithmic) text += ", log scale";
  const auto has = [&](PanelCurve::Role role) {
    return std::any_of(curves.begin(), curves.end(),
                       [&](const PanelCurve& c) { return c.role == role; });
  };
  if (has(PanelCurve::Role::after))
    text +=
        fmt::format(" ({}before{} and {}after{} clipping)", s.yellow, s.reset, s.green, s.reset);
  return text;
}

std::string run_legend(const std::vector<PlotRun>& runs) {
  if (runs.size() < 2) return "";
  const Style& s = style(Stream::out);
  std::string text;
  for (size_t r = 0; r < runs.size(); ++r)
    text += fmt::format("{}{}\u2501\u2501{} {}", r == 0 ? "" : "   ", run_color(r, s), s.reset,
                        printable(runs[r].name));
  return text + "\n";
}

std::string mark_list(const std::vector<PlotRun>& runs) {
  std::string text;
  size_t shown = 0, all = 0;
  for (const PlotRun& run : runs) all += run.curves.marks.size();
  for (const PlotRun& run : runs) {
    for (const Mark& mark : run.curves.marks) {
      if (shown++ == kMostMarks) return text + fmt::format("  ... and {} more\n", all - kMostMarks);
      text += fmt::format("  \u25b2 {:>8}  {}{}\n", mark.step,
                          runs.size() > 1 ? printable(run.name) + ": " : "", printable(mark.label));
    }
  }
  return text;
}

}  // namespace

std::string terminal_charts(const std::vector<PlotRun>& runs, const PanelView& view, int columns,
                            int rows, bool listed) {
  const Style& s = style(Stream::out);
  const std::vector<Panel> panels = drawable_panels(view, runs);
  const std::string marks = listed ? mark_list(runs) : "";
  const auto used =
      static_cast<int>(std::count(marks.begin(), marks.end(), '\n')) + (listed ? 2 : 0);
  const int count = std::max<int>(1, static_cast<int>(panels.size()));
  BrailleChart chart;
  chart.columns = std::min(columns, kMostColumns);
  chart.rows = std::clamp((rows - used) / count - kChartFrame, listed ? 5 : 2, 16);
  chart.logarithmic_x = view.log.x;
  std::string text = run_legend(runs);
  for (const Panel panel : panels) {
    const std::vector<PanelCurve> curves = panel_curves(panel, runs);
    const std::vector<int64_t> none;
    chart.steps = &none;
    chart.short_x = runs.front().curves.axis == XAxis::tokens;
    chart.logarithmic = is_logarithmic(panel, view.log, curves);
    chart.title = title_of(panel, view, curves, chart.logarithmic);
    chart.series.clear();
    for (const PanelCurve& curve : curves) {
      // A threshold that follows the norm would hide it in so few dots.
      if (curve.role == PanelCurve::Role::threshold) continue;
      const bool points = curve.role == PanelCurve::Role::abandoned;
      chart.series.push_back({curve.values, curve_color(curve, s), points ? curve.x : nullptr,
                              points ? nullptr : curve.x});
    }
    chart.marks.clear();
    for (const PlotRun& run : runs)
      for (const Mark& mark : run.curves.marks) chart.marks.push_back(mark.x);
    text += draw(chart, s.reset);
  }
  return text + marks;
}

}  // namespace ballast
