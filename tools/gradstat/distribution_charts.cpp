#include "tools/gradstat/distribution_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/stats/normality.h"
#include "libcore/stats/robust.h"
#include "tools/gradstat/braille.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/gradstat/incident_table.h"

namespace ballast {
namespace {

constexpr int kBars = 12;         // bins of a terminal histogram
constexpr int kLabelColumns = 9;  // left edge of a bin
constexpr int kQuantileRows = 10;
constexpr int kColumnGap = 2;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Characters on the screen: every byte that does not continue one. There are no colours here.
int shown_columns(const std::string& line) {
  return static_cast<int>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string beside(const std::vector<std::string>& texts, int columns) {
  std::vector<std::vector<std::string>> blocks;
  size_t height = 0;
  for (const std::string& text : texts) {
    blocks.push_back(lines_of(text));
    height = std::max(height, blocks.back().size());
  }
  std::string result;
  for (size_t r = 0; r < height; ++r) {
    std::string line;
    for (size_t b = 0; b < blocks.size(); ++b) {
      const int start = static_cast<int>(b) * (columns + kColumnGap);
      line += std::string(static_cast<size_t>(std::max(0, start - shown_columns(line))), ' ');
      if (r < blocks[b].size()) line += blocks[b][r];
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    result += line + "\n";
  }
  return result;
}

// A bar of `length` columns in steps of an eighth.
std::string bar(double length) {
  static const char* const kEighths[] = {"",       "\u258f", "\u258e", "\u258d",
                                         "\u258c", "\u258b", "\u258a", "\u2589"};
  const auto eighths = static_cast<int64_t>(std::lround(length * 8));
  std::string text;
  for (int64_t i = 0; i < eighths / 8; ++i) text += "\u2588";
  return text + kEighths[eighths % 8];
}

std::string histogram_text(const Sample& sample, int columns) {
  const Histogram h = histogram_of(sample.values, kBars, tick_of(sample.values));
  const int64_t most = *std::max_element(h.counts.begin(), h.counts.end());
  const int room = std::max(4, columns - kLabelColumns - 7);
  std::string text = sample.name + "\n";
  for (size_t i = 0; i < h.counts.size(); ++i)
    text += fmt::format("{:>{}} {:>4} {}\n", short_number(h.low + h.width * static_cast<double>(i)),
                        kLabelColumns - 1, h.counts[i],
                        bar(room * static_cast<double>(h.counts[i]) / static_cast<double>(most)));
  return text;
}

std::string quantile_text(const Sample& sample, int columns) {
  std::vector<double> sorted = sample.values;
  std::sort(sorted.begin(), sorted.end());
  const Shape shape = shape_of(sorted);
  const std::vector<double> scores = normal_scores(static_cast<int64_t>(sorted.size()));
  std::vector<int64_t> positions;
  std::vector<double> line;
  for (const double score : scores) {
    positions.push_back(std::lround(score * 1000));
    line.push_back(shape.mean + shape.deviation * score);
  }
  BrailleChart chart;
  chart.title = sample.name + ", Q-Q (line: normal)";
  chart.title = chart.title.substr(0, static_cast<size_t>(columns));
  chart.steps = &positions;
  chart.series = {{&line, {}, nullptr}, {&sorted, {}, &positions}};
  chart.columns = columns;
  chart.rows = kQuantileRows;
  std::string text = draw(chart, "");
  // The axis counts thousandths of a deviation: its ends are written anew.
  text.erase(text.rfind('\n', text.size() - 2) + 1);
  const std::string first = fmt::format("{:.2f}", scores.front());
  const std::string last = fmt::format("{:.2f} sd", scores.back());
  const int gap = std::max(1, columns - 11 - static_cast<int>(first.size() + last.size()));
  return text + std::string(10, ' ') + first + std::string(static_cast<size_t>(gap), ' ') + last +
         "\n";
}

// Distance of tics so that about four stand on an axis: 1, 2 or 5 times a power of ten.
double tic_distance(double range) {
  const double power = std::pow(10, std::floor(std::log10(range / 4)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= range / 4) return factor * power;
  return 10 * power;
}

std::string histogram_panel(const Sample& sample, const std::string& title, size_t id) {
  const Histogram h = histogram_of(sample.values, 40, tick_of(sample.values));
  const Shape shape = shape_of(sample.values);
  std::string text = fmt::format("$h{} << EOD\n", id);
  for (size_t i = 0; i < h.counts.size(); ++i)
    text += fmt::format("{} {}\n", h.low + h.width * (static_cast<double>(i) + 0.5), h.counts[i]);
  const double area = h.width * static_cast<double>(sample.values.size());
  text += fmt::format(
      "EOD\nset title {} noenhanced\nset xlabel {} noenhanced\nset ylabel 'values'\nset yrange "
      "[0:*]\nset xrange [*:*]\nset xtics {}\nset boxwidth {} absolute\n",
      gnuplot_quoted(title), gnuplot_quoted(sample.name),
      tic_distance(h.width * static_cast<double>(h.counts.size())), h.width);
  if (!(shape.deviation > 0)) return text + fmt::format("plot $h{} with boxes\n", id);
  return text + fmt::format(
                    "plot $h{} using 1:2 with boxes fs solid 0.35 lc rgb '#1f77b4', "
                    "{}*exp(-0.5*((x-({}))/{})**2)/({}*sqrt(2*pi)) with lines lw 2 lc rgb "
                    "'#d62728'\n",
                    id, area, shape.mean, shape.deviation, shape.deviation);
}

std::string quantile_panel(const Sample& sample, size_t id) {
  std::vector<double> sorted = sample.values;
  std::sort(sorted.begin(), sorted.end());
  const Shape shape = shape_of(sorted);
  const std::vector<double> scores = normal_scores(static_cast<int64_t>(sorted.size()));
  std::string text = fmt::format("$q{} << EOD\n", id);
  for (size_t i = 0; i < sorted.size(); ++i) text += fmt::format("{} {}\n", scores[i], sorted[i]);
  text += fmt::format(
      "EOD\nset title 'Q-Q'\nset xtics 1\nset xlabel 'normal quantile'\nset ylabel {} "
      "noenhanced\nset xrange "
      "[*:*]\nset yrange [*:*]\n",
      gnuplot_quoted(sample.name));
  return text + fmt::format(
                    "plot $q{} with points pt 7 ps 0.5 lc rgb '#1f77b4', {}+({})*x with "
                    "lines lw 1.5 lc rgb '#d62728'\n",
                    id, shape.mean, std::isfinite(shape.deviation) ? shape.deviation : 0.0);
}

}  // namespace

double tick_of(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  if (!(largest > 0)) return 0;
  for (double inverse = 1; inverse * largest < 1e7; inverse *= 10) {
    const bool all = std::all_of(values.begin(), values.end(), [&](double value) {
      const double scaled = value * inverse;
      return std::abs(scaled - std::round(scaled)) <= 1e-9 * std::max(1.0, std::abs(scaled));
    });
    if (all) return 1 / inverse;
  }
  return 0;
}

Histogram histogram_of(const std::vector<double>& values, int64_t most_bins, double tick) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double spread = quantile(values, 0.75) - quantile(values, 0.25);
  const double n = static_cast<double>(values.size());
  double width = 2 * spread / std::cbrt(n);
  const double range = *high - *low;
  if (!(range > 0)) return {*low - 0.5, 1, {static_cast<int64_t>(values.size())}};
  width = std::clamp(width, range / static_cast<double>(most_bins), range / 5);
  double start = *low;
  if (tick > 0) {
    width = std::max(1.0, std::ceil(width / tick)) * tick;
    start -= tick / 2;
  }
  Histogram h{start, width, {}};
  for (const double value : values) {
    const auto bin = static_cast<size_t>(std::max(0.0, (value - start) / width * (1 - 1e-12)));
    if (h.counts.size() <= bin) h.counts.resize(bin + 1);
    ++h.counts[bin];
  }
  return h;
}

std::string distribution_text(const SampleRow& row, int columns) {
  const int each =
      std::min(76, (columns - kColumnGap * (static_cast<int>(row.samples.size()) - 1)) /
                       static_cast<int>(row.samples.size()));
  std::vector<std::string> histograms, quantiles;
  for (const Sample& sample : row.samples) {
    histograms.push_back(histogram_text(sample, each));
    quantiles.push_back(quantile_text(sample, each));
  }
  return beside(histograms, each) + beside(quantiles, each);
}

std::string distribution_script(const std::vector<SampleRow>& rows, bool svg,
                                const std::string& title) {
  size_t most = 0;
  for (const SampleRow& row : rows) most = std::max(most, row.samples.size());
  std::string text = fmt::format(
      "set terminal {} size {},{} font 'sans,11' background '#ffffff'\nset multiplot layout {},{} "
      "title {} noenhanced\nset grid lc rgb '#d9d9d9'\nunset key\nset samples 400\n",
      svg ? "svg" : "pngcairo", 640 * most, 60 + 320 * rows.size(), rows.size(), 2 * most,
      gnuplot_quoted(title + " (red: a normal sample)"));
  size_t id = 0;
  for (const SampleRow& row : rows) {
    for (const Sample& sample : row.samples) {
      text += histogram_panel(sample, row.title, id) + quantile_panel(sample, id);
      ++id;
    }
  }
  return text + "unset multiplot\n";
}

}  // namespace ballast
