// The gnuplot script of a plot, with its data: panels under each other over one x axis.
#pragma once

#include <string>
#include <vector>

#include "tools/gradstat/gnuplot.h"
#include "tools/gradstat/panels.h"

namespace ballast {

std::string picture_script(const std::vector<PlotRun>& runs, const PanelView& view,
                           const PictureOptions& options);

// Tics of an axis from low to high, at most so many: multiples of 1, 2 or 5 times a power of ten.
std::vector<int64_t> round_tics(int64_t low, int64_t high, int64_t most);
// Of a logarithmic axis: powers of ten, or round_tics() where fewer than two lie on it.
std::vector<int64_t> decade_tics(int64_t low, int64_t high, int64_t most);

}  // namespace ballast
