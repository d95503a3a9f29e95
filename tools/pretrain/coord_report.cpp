// The reporting half of the coordinate check: slopes, a table, a chart, a gnuplot script.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/gradstat/braille.h"
#include "tools/pretrain/coord_check.h"

namespace ballast {
namespace {

constexpr const char* kModules[] = {"qkv", "attention", "mid", "fc1", "mlp", "out", "logits"};

// Least squares of log2 y over log2 x; NaN when a value is not positive.
double log_slope(const std::vector<int64_t>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    mean_x += std::log2(static_cast<double>(x[i])) / n;
    mean_y += std::log2(y[i]) / n;
  }
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = std::log2(static_cast<double>(x[i])) - mean_x;
    xx += dx * dx;
    xy += dx * (std::log2(y[i]) - mean_y);
  }
  return xy / xx;
}

double mean_of(const std::vector<CoordPoint>& points, const std::string& module, int64_t width,
               int64_t step) {
  double sum = 0, count = 0;
  for (const CoordPoint& p : points) {
    if (p.module != module || p.width != width || p.step != step) continue;
    sum += p.mean_abs;
    ++count;
  }
  return sum / count;
}

}  // namespace

std::vector<CoordSlope> coordinate_slopes(const std::vector<CoordPoint>& points,
                                          const CoordSettings& settings) {
  std::vector<CoordSlope> slopes;
  for (const char* module : kModules) {
    for (int64_t step = 1; step <= settings.steps; ++step) {
      CoordSlope slope;
      slope.module = module;
      slope.step = step;
      for (const int64_t width : settings.widths)
        slope.mean_abs.push_back(mean_of(points, module, width, step));
      slope.slope = log_slope(settings.widths, slope.mean_abs);
      slope.judged = step > 1 || slope.module != "logits";
      slopes.push_back(std::move(slope));
    }
  }
  return slopes;
}

std::string coordinate_table(const std::vector<CoordSlope>& slopes, const CoordSettings& settings) {
  std::string text = fmt::format("{:<10} {:>4}", "module", "step");
  for (const int64_t width : settings.widths) text += fmt::format(" {:>9}", width);
  text += fmt::format(" {:>7}\n", "slope");
  for (const CoordSlope& s : slopes) {
    text += fmt::format("{:<10} {:>4}", s.module, s.step);
    for (const double value : s.mean_abs) text += fmt::format(" {:>9.3g}", value);
    text += fmt::format(" {:>+7.3f}{}\n", s.slope, s.judged ? "" : " (may fall)");
  }
  return text;
}

std::string coordinate_chart(const std::vector<CoordSlope>& slopes, const CoordSettings& settings,
                             int columns) {
  // Straight lines between the widths, point by point: the chart joins neighbouring columns only.
  constexpr int kBetween = 64;
  std::vector<int64_t> steps;
  std::vector<std::vector<double>> lines;
  for (const CoordSlope& s : slopes) {
    if (s.module != "out") continue;
    lines.emplace_back();
    steps.clear();
    for (size_t i = 0; i + 1 < settings.widths.size(); ++i) {
      const auto from = static_cast<double>(settings.widths[i]);
      const auto to = static_cast<double>(settings.widths[i + 1]);
      for (int k = 0; k <= kBetween; ++k) {
        const double share = static_cast<double>(k) / kBetween;
        steps.push_back(std::lround(from + share * (to - from)));
        const double at = std::log(from + share * (to - from));
        const double part = (at - std::log(from)) / (std::log(to) - std::log(from));
        lines.back().push_back(
            std::exp((1 - part) * std::log(s.mean_abs[i]) + part * std::log(s.mean_abs[i + 1])));
      }
    }
  }
  BrailleChart chart;
  chart.title = "mean |x| of the residual stream over the width, a line per step";
  chart.steps = &steps;
  chart.logarithmic = true;
  chart.columns = columns;
  for (const std::vector<double>& line : lines) chart.series.push_back({&line, "", nullptr});
  return draw(chart, "");
}

std::string coordinate_script(const std::vector<CoordSlope>& slopes, const CoordSettings& settings,
                              const std::string& title, bool png) {
  std::string name;
  for (const char c : title) name += c == '\'' || static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  std::string text = fmt::format(
      "set terminal {} size {},420 font 'sans,11' background '#ffffff'\n"
      "set multiplot layout 1,{} title '{}' noenhanced\nset logscale x 2\nset logscale y 2\n"
      "set grid lc rgb '#d9d9d9'\nset format y '2^{{%L}}'\nset xlabel 'width'\n",
      png ? "pngcairo" : "svg", 360 * settings.steps, settings.steps, name);
  for (int64_t step = 1; step <= settings.steps; ++step) {
    text += fmt::format("set title 'step {}'\n{}", step,
                        step == settings.steps ? "set key outside right\n" : "unset key\n");
    for (const CoordSlope& s : slopes) {
      if (s.step != step) continue;
      text += fmt::format("${} << EOD\n", s.module);
      for (size_t i = 0; i < s.mean_abs.size(); ++i)
        text += fmt::format("{} {}\n", settings.widths[i], s.mean_abs[i]);
      text += "EOD\n";
    }
    text += "plot ";
    for (const char* module : kModules)
      text += fmt::format("{}${} with linespoints pt 7 ps 0.5 title '{}'",
                          module == kModules[0] ? "" : ", ", module, module);
    text += "\n";
  }
  return text + "unset multiplot\n";
}

}  // namespace ballast
