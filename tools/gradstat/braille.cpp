#include "tools/gradstat/braille.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/units.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr int kGutter = 10;  // columns of the scale on the left
constexpr unsigned kDots[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

class Canvas {
 public:
  Canvas(int columns, int rows)
      : columns_(columns), rows_(rows), cells_(static_cast<size_t>(columns * rows)) {}
  int width() const { return columns_ * 2; }
  int height() const { return rows_ * 4; }

  // Dots from y0 to y1 (0 is the bottom) in dot column x.
  void stroke(int x, int y0, int y1, size_t series) {
    for (int y = std::min(y0, y1); y <= std::max(y0, y1); ++y) {
      const int from_top = height() - 1 - y;
      Cell& cell = cells_[static_cast<size_t>(from_top / 4 * columns_ + x / 2)];
      cell.dots |= kDots[from_top % 4][x % 2];
      cell.series = series;
    }
  }

  std::string row(int r, const std::vector<BrailleSeries>& series, std::string_view reset) const {
    std::string text;
    std::string_view color;
    for (int c = 0; c < columns_; ++c) {
      const Cell& cell = cells_[static_cast<size_t>(r * columns_ + c)];
      const std::string_view wanted = cell.dots == 0 ? color : series[cell.series].color;
      if (wanted != color) {
        if (!color.empty()) text += reset;
        text += wanted;
        color = wanted;
      }
      append_utf8(text, cell.dots == 0 ? U' ' : static_cast<char32_t>(0x2800 + cell.dots));
    }
    if (!color.empty()) text += reset;
    return text;
  }

 private:
  struct Cell {
    unsigned dots = 0;
    size_t series = 0;
  };
  int columns_, rows_;
  std::vector<Cell> cells_;
};

class Drawing {
 public:
  Drawing(const BrailleChart& chart, int columns) : chart_(chart), canvas_(columns, chart.rows) {
    first_ = INT64_MAX;
    last_ = INT64_MIN;
    const auto span = [&](const std::vector<int64_t>* x) {
      if (x == nullptr || x->empty()) return;
      first_ = std::min(first_, x->front());
      last_ = std::max(last_, x->back());
    };
    span(chart.steps);
    for (const BrailleSeries& series : chart.series) {
      for (const double value : *series.values)
        if (drawable(value)) range_.add(scaled(value));
      span(series.points_at);
      span(series.line_at);
    }
    if (!range_.empty() && range_.high - range_.low < 1e-12 * std::abs(range_.high) + 1e-12) {
      range_.low -= 0.5;
      range_.high += 0.5;
    }
  }
  bool empty() const { return range_.empty(); }
  int64_t first() const { return first_; }
  int64_t last() const { return last_; }

  std::string draw(std::string_view reset) {
    for (size_t s = 0; s < chart_.series.size(); ++s) trace(s);
    std::string text;
    for (int r = 0; r < chart_.rows; ++r) {
      const bool labelled = r == 0 || r == chart_.rows - 1 || r == chart_.rows / 2;
      const double share = 1 - (r + 0.5) / chart_.rows;
      const double value = range_.low + share * (range_.high - range_.low);
      text += labelled ? fmt::format("{:>{}.4g} ", chart_.logarithmic ? std::exp(value) : value,
                                     kGutter - 2)
                       : std::string(kGutter - 1, ' ');
      text += "\u2502" + trimmed(canvas_.row(r, chart_.series, reset)) + "\n";
    }
    return text;
  }

  int column_of(int64_t step) const {
    const double low = place(first_);
    const double width = place(last_) - low;
    const double share = width > 0 ? (place(step) - low) / width : 0;
    return std::clamp(static_cast<int>(std::lround(share * (canvas_.width() - 1))), 0,
                      canvas_.width() - 1);
  }

 private:
  bool drawable(double value) const {
    return std::isfinite(value) && (!chart_.logarithmic || value > 0);
  }
  double place(int64_t x) const {
    return chart_.logarithmic_x ? std::log(static_cast<double>(std::max<int64_t>(x, 1)))
                                : static_cast<double>(x);
  }
  double scaled(double value) const { return chart_.logarithmic ? std::log(value) : value; }
  static std::string trimmed(std::string text) {
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
  }
  int y_of(double value) const {
    const double share = (scaled(value) - range_.low) / (range_.high - range_.low);
    return static_cast<int>(std::lround(share * (canvas_.height() - 1)));
  }
  // A line to (x, y): within a column one stroke, across columns a stroke in each from where the
  // last one ended.
  void join(int last_x, int last_y, int x, int y, size_t s) {
    int from = last_y;
    for (int at = last_x + 1; at <= x; ++at) {
      const double share = static_cast<double>(at - last_x) / (x - last_x);
      const int to = last_y + static_cast<int>(std::lround(share * (y - last_y)));
      canvas_.stroke(at, from + (to > from) - (to < from), to, s);
      from = to;
    }
    if (x == last_x) canvas_.stroke(x, last_y, y, s);
  }
  void trace(size_t s) {
    const std::vector<double>& values = *chart_.series[s].values;
    const std::vector<int64_t>* points = chart_.series[s].points_at;
    const std::vector<int64_t>* line = chart_.series[s].line_at;
    const std::vector<int64_t>& at = points != nullptr ? *points
                                     : line != nullptr ? *line
                                                       : *chart_.steps;
    int last_x = -2, last_y = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!drawable(values[i])) {
        last_x = -2;
        continue;
      }
      const int x = column_of(at[i]);
      const int y = y_of(values[i]);
      if (points == nullptr && last_x >= 0)
        join(last_x, last_y, x, y, s);
      else
        canvas_.stroke(x, y, y, s);
      last_x = x;
      last_y = y;
    }
  }

  const BrailleChart& chart_;
  Canvas canvas_;
  Range range_;
  int64_t first_ = 0, last_ = 0;  // steps
};

std::string axis(const BrailleChart& chart, const Drawing& drawing, int columns) {
  std::vector<bool> ticks(static_cast<size_t>(columns));
  for (const int64_t step : chart.marks)
    if (step >= drawing.first() && step <= drawing.last())
      ticks[static_cast<size_t>(drawing.column_of(step) / 2)] = true;
  std::string text = std::string(kGutter - 1, ' ') + "\u2514";
  for (int c = 0; c < columns; ++c) text += ticks[static_cast<size_t>(c)] ? "\u25b2" : "\u2500";
  const auto end = [&](int64_t x) {
    return chart.short_x ? format_count(x) : fmt::format("{}", x);
  };
  const std::string first = end(drawing.first());
  const std::string last = end(drawing.last());
  const int gap = std::max(1, columns - static_cast<int>(first.size() + last.size()));
  return text + "\n" + std::string(kGutter, ' ') + first +
         std::string(static_cast<size_t>(gap), ' ') + last + "\n";
}

}  // namespace

std::string draw(const BrailleChart& chart, std::string_view reset) {
  std::string text = chart.title + "\n";
  const int columns = std::max(10, chart.columns - kGutter - 1);
  Drawing drawing(chart, columns);
  if (drawing.empty()) return text + "  nothing to draw\n";
  return text + drawing.draw(reset) + axis(chart, drawing, columns);
}

}  // namespace ballast
