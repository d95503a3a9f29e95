// Values over a grid of two settings, several quantities beside each other: as numbers on coloured
// ground in the terminal, and as a gnuplot script. Marked cells stand in brackets or frames.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tools/gradstat/gnuplot.h"

namespace ballast {

struct GridMap {
  std::string title;
  std::vector<double> values;      // row by row, not below 0; what the colours say
  std::vector<std::string> texts;  // what stands in the cells
};

struct GridMaps {
  std::string row_name, column_name;
  std::vector<std::string> rows, columns;
  std::vector<GridMap> maps;
  std::vector<bool> marked;  // row by row
};

// Colour (of the palette in heat_map.h) and whether letters on it are to be dark.
struct CellColor {
  std::array<int, 3> rgb{};
  bool dark_letters = false;
};
// By the logarithm where the values above 0 span a decade; 0 is as the least of the others then.
std::vector<CellColor> cell_colors(const std::vector<double>& values);

// As many maps beside each other as fit; every line ends with LF.
std::string grid_text(const GridMaps& grid, int columns, bool color);
std::string grid_script(const GridMaps& grid, PictureFormat format, const std::string& title);

}  // namespace ballast
