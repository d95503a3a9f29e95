// A sweep as a person, a program and gnuplot read it.
#pragma once

#include <string>

#include "tools/gradstat/grid_map.h"
#include "tools/gradstat/sweep_grid.h"

namespace ballast {

GridMaps sweep_maps(const Sweep& sweep, const SweepSettings& settings);
// `sigmas` are those of the detector.
std::string sweep_text(const Sweep& sweep, const SweepSettings& settings, double sigmas,
                       int columns, bool color);
// One line of what was swept, then one for each cell.
std::string sweep_json(const Sweep& sweep, const SweepSettings& settings);

}  // namespace ballast
