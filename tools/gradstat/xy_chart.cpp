#include "tools/gradstat/xy_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"
#include "tools/gradstat/braille.h"

namespace ballast {
namespace {

constexpr const char* kColors[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd",
                                   "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"};

std::string gnuplot_string(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result += '\'';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + "'";
}

// Ticks of a logarithmic axis at 1, 2 and 5 of each decade: gnuplot's own leave all but one bare
// when the range is short.
std::string decade_ticks(const XyChart& chart) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const XyCurve& curve : chart.curves) {
    for (const double y : curve.y) {
      if (!std::isfinite(y) || y <= 0) continue;
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  constexpr double kShort = 100;
  if (!(high > low) || high > kShort * low) return "";
  std::string ticks;
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high; decade *= 10)
    for (const int digit : {1, 2, 5})
      ticks +=
          fmt::format("{}'{:.6g}' {}", ticks.empty() ? "" : ", ", digit * decade, digit * decade);
  return "set ytics (" + ticks + ")\n";
}

bool drawable(const XyChart& chart, double x, double y) {
  return std::isfinite(x) && std::isfinite(y) && (!chart.log_x || x > 0) && (!chart.log_y || y > 0);
}

// Positions on the common axis, as the whole numbers that braille charts take.
class Axis {
 public:
  explicit Axis(const XyChart& chart) : logarithmic_(chart.log_x) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const XyCurve& curve : chart.curves) {
      for (size_t i = 0; i < curve.x.size(); ++i) {
        if (!drawable(chart, curve.x[i], curve.y[i])) continue;
        low = std::min(low, scaled(curve.x[i]));
        high = std::max(high, scaled(curve.x[i]));
      }
    }
    low_ = low;
    high_ = high;
  }
  bool empty() const { return low_ > high_; }
  double scaled(double x) const { return logarithmic_ ? 1000 * std::log10(x) : x; }
  int64_t place(double x) const { return std::llround(scaled(x)); }
  // `count` places from end to end, ascending without repetition.
  std::vector<int64_t> places(int count) const {
    std::vector<int64_t> list;
    for (int i = 0; i < count; ++i) {
      const int64_t place = std::llround(low_ + (high_ - low_) * i / (count - 1));
      if (list.empty() || place > list.back()) list.push_back(place);
    }
    return list;
  }

 private:
  bool logarithmic_;
  double low_ = 0, high_ = 0;
};

// A line at the places of the chart, straight between its points; NaN outside.
std::vector<double> sampled(const XyChart& chart, const XyCurve& curve, const Axis& axis,
                            const std::vector<int64_t>& places) {
  std::vector<double> x, y, values;
  for (size_t i = 0; i < curve.x.size(); ++i) {
    if (!drawable(chart, curve.x[i], curve.y[i])) continue;
    x.push_back(axis.scaled(curve.x[i]));
    y.push_back(curve.y[i]);
  }
  for (const int64_t place : places) {
    const double at = static_cast<double>(place);
    const auto after = static_cast<size_t>(std::ranges::lower_bound(x, at) - x.begin());
    if (x.empty() || at < x.front() - 0.5 || at > x.back() + 0.5) {
      values.push_back(std::numeric_limits<double>::quiet_NaN());
    } else if (after == 0 || after == x.size()) {
      values.push_back(after == 0 ? y.front() : y.back());
    } else {
      const double share = (at - x[after - 1]) / (x[after] - x[after - 1]);
      values.push_back(y[after - 1] + share * (y[after] - y[after - 1]));
    }
  }
  return values;
}

}  // namespace

void add_chart_options(CLI::App& app, ChartOptions& options) {
  app.add_flag("--plot", options.plot,
               "draw in the terminal (a picture: -o with a name that ends with .svg or .png)");
  app.add_option("--width", options.width, "of a picture, in pixels")
      ->capture_default_str()
      ->check(CLI::Range(200, 10000));
  app.add_option("--height", options.height, "of a picture, in pixels")
      ->capture_default_str()
      ->check(CLI::Range(150, 10000));
}

bool wants_picture(const CommonOptions& common) {
  return common.output.ends_with(".svg") || common.output.ends_with(".png");
}

std::string gnuplot_script(const XyChart& chart, const PictureOptions& options) {
  std::string text = fmt::format("set terminal {} size {},{} font 'sans,11' background '#ffffff'\n",
                                 options.format == PictureFormat::svg ? "svg" : "pngcairo",
                                 options.width, options.height);
  for (size_t c = 0; c < chart.curves.size(); ++c) {
    const XyCurve& curve = chart.curves[c];
    text += fmt::format("$c{} << EOD\n", c);
    for (size_t i = 0; i < curve.x.size(); ++i)
      if (drawable(chart, curve.x[i], curve.y[i]))
        text += fmt::format("{} {}\n", curve.x[i], curve.y[i]);
    text += "EOD\n";
  }
  text += fmt::format(
      "set title {} noenhanced\nset xlabel {} noenhanced\nset ylabel {} noenhanced\n"
      "set grid lc rgb '#d9d9d9'\nset border 3\nset tics nomirror\nset key below noenhanced\n",
      gnuplot_string(chart.title), gnuplot_string(chart.x_label), gnuplot_string(chart.y_label));
  if (chart.log_x) text += "set logscale x\nset format x '10^{%L}'\n";
  if (chart.log_y) text += "set logscale y\nset autoscale yfix\n" + decade_ticks(chart);
  text += "plot ";
  for (size_t c = 0; c < chart.curves.size(); ++c) {
    const XyCurve& curve = chart.curves[c];
    text += fmt::format("{}$c{} using 1:2 with {} lc rgb '{}' title {}", c > 0 ? ", " : "", c,
                        curve.points ? "points pt 7 ps 0.8" : "lines lw 1.8",
                        kColors[c % std::size(kColors)], gnuplot_string(curve.name));
  }
  return text + "\n";
}

std::string terminal_chart(const XyChart& chart, int columns, int rows) {
  const Axis axis(chart);
  const Style& s = style(Stream::out);
  const std::string_view colors[] = {s.blue, s.red, s.green, s.yellow};
  if (axis.empty()) return printable(chart.title) + "\n  nothing to draw\n";
  BrailleChart braille;
  braille.columns = std::min(columns, 160);
  braille.rows = std::clamp(rows - 8, 5, 16);
  braille.logarithmic = chart.log_y;
  braille.title = fmt::format("{}{}{}: {}{} over {}", s.bold, printable(chart.title), s.reset,
                              printable(chart.y_label), chart.log_y ? " (log scale)" : "",
                              printable(chart.x_label)) +
                  (chart.log_x ? ", 1000 log10" : "");
  const std::vector<int64_t> places = axis.places(2 * braille.columns);
  braille.steps = &places;
  std::vector<std::vector<double>> values(chart.curves.size());
  std::vector<std::vector<int64_t>> at(chart.curves.size());
  std::string names;
  for (size_t c = 0; c < chart.curves.size(); ++c) {
    const XyCurve& curve = chart.curves[c];
    const std::string_view color = colors[c % std::size(colors)];
    names += fmt::format("  {}{}{} {}\n", color, curve.points ? "\u2022" : "\u2500", s.reset,
                         printable(curve.name));
    if (!curve.points) {
      values[c] = sampled(chart, curve, axis, places);
      braille.series.push_back({&values[c], color});
      continue;
    }
    for (size_t i = 0; i < curve.x.size(); ++i) {
      if (!drawable(chart, curve.x[i], curve.y[i])) continue;
      at[c].push_back(axis.place(curve.x[i]));
      values[c].push_back(curve.y[i]);
    }
    braille.series.push_back({&values[c], color, &at[c]});
  }
  return draw(braille, s.reset) + names;
}

Result<void> show_chart(const XyChart& chart, const ChartOptions& options,
                        const CommonOptions& common) {
  if (wants_picture(common)) {
    PictureOptions picture;
    picture.format = common.output.ends_with(".svg") ? PictureFormat::svg : PictureFormat::png;
    picture.width = options.width;
    picture.height = options.height;
    print_out(BALLAST_TRY(run_gnuplot(gnuplot_script(chart, picture))));
  } else if (options.plot) {
    print_out(terminal_chart(chart, terminal_columns(), terminal_rows()));
  }
  return {};
}

}  // namespace ballast
