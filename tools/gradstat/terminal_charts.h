// Loss and norm charts for a terminal, as `plot` prints and `follow` redraws them.
#pragma once

#include <cstdint>
#include <string>

#include "tools/gradstat/series.h"

namespace ballast {

std::string terminal_charts(const Curves& curves, int64_t smooth, int columns, int rows);

}  // namespace ballast
