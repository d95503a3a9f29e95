// Statistics of the layers as maps of layer over step: which maps a trace allows, how their columns
// are thinned, and the scale of their colours. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/gradstat/series.h"

namespace ballast {

// Colours from `low` to `high`, by value or by its logarithm.
struct HeatScale {
  double low = 0, high = 1;
  bool logarithmic = false;
};
// Of the finite values. Logarithmic where all are above 0 and span a decade.
HeatScale heat_scale(std::span<const double> values);
// Of values over the median of their layer: logarithmic, symmetric around 1.
HeatScale relative_scale(std::span<const double> ratios);

// One step, or several neighbours on the same branches when there are too many.
struct HeatColumn {
  int64_t segment = 0;
  int64_t first = 0, last = 0;  // steps
  int64_t x = 0;                // middle, on the axis of the report
};
struct HeatLine {  // a line through the segments
  std::string title;
  std::vector<size_t> columns;  // ascending in step
};
struct HeatQuantity {
  std::string key;      // in the trace
  std::string title;    // for a person
  bool lowest = false;  // thinned columns keep the lowest value; otherwise the highest
  std::vector<std::vector<double>> values;    // [layer][column]
  std::vector<std::vector<double>> relative;  // over the median of the layer
  HeatScale scale, relative_scale;
};
struct HeatMaps {
  std::vector<HeatColumn> columns;
  std::vector<HeatLine> lines;  // the surviving one first, then branches that were left
  std::vector<HeatQuantity> quantities;
  bool empty() const { return columns.empty(); }
};
HeatMaps heat_maps(const RunHistory& history, XAxis axis, size_t most_columns);

// "largest attention score" for "attn_logit_max"; the key itself when it is not known.
std::string layer_quantity_title(const std::string& key);

// n colours from dark to light whose grey rises evenly, so that a print without colours is right
// too: the cubehelix of Green 2011 (start 0.5, -0.7 rotations, hue 1.1), without its black end.
std::vector<std::array<int, 3>> heat_palette(int n);

}  // namespace ballast
