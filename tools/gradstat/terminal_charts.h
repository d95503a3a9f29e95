// Charts for a terminal, as `plot` prints and `follow` redraws them.
#pragma once

#include <string>
#include <vector>

#include "tools/gradstat/panels.h"

namespace ballast {

// Every panel of `view` that has something, in so many columns and about so many rows, then, with
// `listed`, the marks in words.
std::string terminal_charts(const std::vector<PlotRun>& runs, const PanelView& view, int columns,
                            int rows, bool listed = true);

}  // namespace ballast
