// A chart drawn with braille characters: every cell is 2 x 4 dots. Values of one dot column are
// joined into a vertical stroke, so a single high step stays visible at any width.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

struct BrailleSeries {
  const std::vector<double>* values = nullptr;      // parallel to the steps; NaN: nothing
  std::string_view color;                           // ANSI, may be empty
  const std::vector<int64_t>* points_at = nullptr;  // single dots at these steps instead
  const std::vector<int64_t>* line_at = nullptr;    // a line over these steps instead
};

struct BrailleChart {
  std::string title;
  const std::vector<int64_t>* steps = nullptr;  // or whatever the x axis counts; ascending
  std::vector<BrailleSeries> series;            // later ones are drawn over earlier ones
  std::vector<int64_t> marks;                   // marked by a tick under the chart
  bool logarithmic = false;
  bool logarithmic_x = false;  // what is not above 0 stands at the left edge
  bool short_x = false;        // the ends of the axis as "1.5M"
  int columns = 80;
  int rows = 12;  // of dots cells
};

// Title, chart with a scale on the left, tick line and step range; every line ends with LF.
// `reset` ends a colour ("" without colours).
std::string draw(const BrailleChart& chart, std::string_view reset);

}  // namespace ballast
