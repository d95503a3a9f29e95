#include "tools/gradstat/loss_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"
#include "tools/gradstat/gnuplot.h"

namespace ballast {
namespace {

constexpr size_t kMostPoints = 4000;  // of a line in a picture
constexpr const char* kColors[] = {"#1f77b4", "#ff7f0e", "#1a7f37", "#d62728"};

std::string data_block(const PicturePanel::Line& line, size_t id) {
  const size_t stride = line.x.size() / kMostPoints + 1;
  std::string text = fmt::format("$d{} << EOD\n", id);
  for (size_t i = 0; i < line.x.size(); i += stride)
    if (std::isfinite(line.y[i])) text += fmt::format("{} {}\n", line.x[i], line.y[i]);
  return text + "EOD\n";
}

}  // namespace

bool counts_tokens(const RunHistory& history) {
  const auto line = history.surviving_line();
  return !line.empty() && history.rows[line.back()].tokens > history.rows[line.front()].tokens;
}

LossCurve loss_curve(const RunHistory& history, CurveAxis axis) {
  LossCurve curve;
  curve.axis = axis;
  double elapsed = 0;
  int64_t segment = -1, last_us = 0;
  for (const size_t i : history.surviving_line()) {
    const StepRow& row = history.rows[i];
    if (row.segment == segment && row.time_us > last_us)
      elapsed += static_cast<double>(row.time_us - last_us) * 1e-6;
    segment = row.segment;
    last_us = row.time_us;
    const double x = static_cast<double>(axis == CurveAxis::tokens ? row.tokens : row.step);
    if (row.skipped || !std::isfinite(row.loss) || (!curve.x.empty() && x <= curve.x.back()))
      continue;
    curve.x.push_back(x);
    curve.steps.push_back(row.step);
    curve.tokens.push_back(row.tokens);
    curve.loss.push_back(row.loss);
    curve.norm.push_back(row.norm);
    curve.lr.push_back(row.lr);
    curve.seconds.push_back(elapsed);
  }
  curve.has_seconds = elapsed > 0;
  return curve;
}

std::string run_title(const RunHistory& history) {
  return history.runs.empty() || history.runs.back().run.empty() ? history.path
                                                                 : history.runs.back().run;
}

std::string position_text(CurveAxis axis, double x) {
  return axis == CurveAxis::tokens ? format_count(std::llround(x)) + " tokens"
                                   : fmt::format("step {}", std::llround(x));
}

std::string panel_script(const std::vector<PicturePanel>& panels, const std::vector<double>& marks,
                         const std::string& x_label, bool logarithmic_x, bool svg,
                         const std::string& title) {
  std::string text = fmt::format(
      "set terminal {} size 1200,{} font 'sans,11' background '#ffffff'\nset multiplot layout {},1 "
      "title {} noenhanced\nset grid lc rgb '#d9d9d9'\nset key top right\nset lmargin 12\nset "
      "rmargin 5\nset format x '%.1s%c'\n{}",
      svg ? "svg" : "pngcairo", 60 + 340 * panels.size(), panels.size(), gnuplot_quoted(title),
      logarithmic_x ? "set logscale x\n" : "");
  for (const double mark : marks)
    text += fmt::format(
        "set arrow from {0}, graph 0 to {0}, graph 1 nohead back lw 1 dt 2 lc rgb '#7f7f7f'\n",
        mark);
  size_t id = 0;
  for (const PicturePanel& panel : panels) {
    std::string plot;
    for (size_t i = 0; i < panel.lines.size(); ++i) {
      text += data_block(panel.lines[i], id);
      plot +=
          fmt::format("{}$d{} with lines lw {} lc rgb '{}' title {} noenhanced",
                      plot.empty() ? "plot " : ", ", id++, i + 1 == panel.lines.size() ? 1.4 : 1.2,
                      kColors[i % std::size(kColors)], gnuplot_quoted(panel.lines[i].name));
    }
    text += fmt::format("set xlabel {} noenhanced\nset ylabel {} noenhanced\n{}{}\n",
                        gnuplot_quoted(x_label), gnuplot_quoted(panel.label),
                        panel.logarithmic ? "set logscale y\n" : "unset logscale y\n", plot);
  }
  return text + "unset multiplot\n";
}

}  // namespace ballast
