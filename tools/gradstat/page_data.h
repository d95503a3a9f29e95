// The numbers of a report as the text of a script: curves of one or several runs over one axis,
// marks, and the maps of the layers. Texts of the trace are escaped so that none ends the script.
#pragma once

#include <string>
#include <vector>

#include "tools/gradstat/heat_map.h"
#include "tools/gradstat/panels.h"

namespace ballast {

// "const data = {...};" for report.js.
std::string page_data(const std::vector<PlotRun>& runs, const HeatMaps& heat);

// [x, value, ...] rows, ascending, one column per curve and null where it has nothing at that x. A
// curve that has several values at an x (branches that were left) makes several rows.
std::string merged_rows(const std::vector<PanelCurve>& curves);

}  // namespace ballast
