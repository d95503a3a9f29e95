#include "tools/gradstat/grid_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/gradstat/heat_map.h"

namespace ballast {
namespace {

constexpr int kColors = 64;
constexpr int kGap = 2;  // columns between maps
constexpr int kPanelsBeside = 3;
constexpr int kPanelWidth = 440, kTitleHeight = 50;  // pixels
constexpr int kPanelFrame = 90, kRowHeight = 26, kLeastPanel = 240;

size_t widest(const std::vector<std::string>& texts) {
  size_t width = 0;
  for (const std::string& text : texts) width = std::max(width, text.size());
  return width;
}

// The nearest of the 6 x 6 x 6 colours that nearly every terminal has.
int terminal_color(const std::array<int, 3>& rgb) {
  constexpr int kLevels[] = {0, 95, 135, 175, 215, 255};
  int index = 16;
  for (size_t k = 0; k < 3; ++k) {
    const auto nearest =
        std::min_element(std::begin(kLevels), std::end(kLevels),
                         [&](int a, int b) { return std::abs(a - rgb[k]) < std::abs(b - rgb[k]); });
    index = index + static_cast<int>(nearest - std::begin(kLevels)) * (k == 0   ? 36
                                                                       : k == 1 ? 6
                                                                                : 1);
  }
  return index;
}

// One map as lines that are `width` columns wide on the screen.
struct Block {
  std::vector<std::string> lines;
  size_t width = 0;
};

// What stands in front of cell c of a row, or behind its last one: the brackets of its neighbours.
char border(const std::vector<bool>& marked, size_t row, size_t c, size_t columns) {
  const bool left = c > 0 && marked[row * columns + c - 1];
  const bool right = c < columns && marked[row * columns + c];
  return left && right ? '|' : left ? ']' : right ? '[' : ' ';
}

Block block_of(const GridMaps& grid, const GridMap& map, bool color) {
  const size_t columns = grid.columns.size();
  const size_t label = std::max(widest(grid.rows), grid.row_name.size());
  const size_t cell = std::max(widest(map.texts), widest(grid.columns));
  const std::vector<CellColor> colors = cell_colors(map.values);
  Block block;
  block.width = std::max(label + 1 + columns * (cell + 1), map.title.size());
  const auto add = [&](std::string line, size_t shown) {
    block.lines.push_back(std::move(line) + std::string(block.width - shown, ' '));
  };
  add(map.title, map.title.size());
  std::string header = fmt::format("{:>{}}", grid.row_name, label);
  for (const std::string& name : grid.columns) header += fmt::format(" {:>{}}", name, cell);
  add(header, header.size());
  for (size_t r = 0; r < grid.rows.size(); ++r) {
    std::string line = fmt::format("{:>{}}", grid.rows[r], label);
    for (size_t c = 0; c < columns; ++c) {
      const size_t i = r * columns + c;
      line += border(grid.marked, r, c, columns);
      const std::string text = fmt::format("{:>{}}", map.texts[i], cell);
      line += color ? fmt::format("\x1b[48;5;{};38;5;{}m{}\x1b[0m", terminal_color(colors[i].rgb),
                                  colors[i].dark_letters ? 16 : 231, text)
                    : text;
    }
    line += border(grid.marked, r, columns, columns);
    add(line, label + 1 + columns * (cell + 1));
  }
  return block;
}

std::string tics(const std::vector<std::string>& names) {
  std::string text = "(";
  for (size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}'{}' {}", i > 0 ? ", " : "", gnuplot_escaped(names[i]), i);
  return text + ")";
}

std::string panel(const GridMaps& grid, const GridMap& map, size_t id, int font) {
  const size_t columns = grid.columns.size();
  const std::vector<CellColor> colors = cell_colors(map.values);
  std::string cells = fmt::format("$c{} << EOD\n", id);
  std::string letters[2] = {fmt::format("$l{} << EOD\n", id), fmt::format("$d{} << EOD\n", id)};
  std::string frames = "unset object\n";
  bool any[2] = {};
  for (size_t i = 0; i < map.values.size(); ++i) {
    const size_t x = i % columns, y = i / columns;
    const auto [red, green, blue] = colors[i].rgb;
    cells += fmt::format("{} {} {}\n", x, y, (red << 16) + (green << 8) + blue);
    const size_t dark = colors[i].dark_letters ? 1 : 0;
    letters[dark] += fmt::format("{} {} \"{}\"\n", x, y, map.texts[i]);
    any[dark] = true;
    if (grid.marked[i])
      frames += fmt::format(
          "set object rectangle center {},{} size 0.94,0.9 front fs empty border lc rgb '#ff2020' "
          "lw 2.5\n",
          x, y);
  }
  std::string text = cells + "EOD\n" + frames;
  for (size_t dark = 0; dark < 2; ++dark)
    if (any[dark]) text += letters[dark] + "EOD\n";
  text += fmt::format(
      "set title '{}' noenhanced\nset xlabel '{}'\nset ylabel '{}'\nset xtics {}\nset ytics {}\n"
      "set xrange [-0.5:{}.5]\nset yrange [{}.5:-0.5]\nplot $c{} using "
      "1:2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 with boxxyerror fs solid noborder lc rgb variable",
      gnuplot_escaped(map.title), gnuplot_escaped(grid.column_name), gnuplot_escaped(grid.row_name),
      tics(grid.columns), tics(grid.rows), columns - 1, grid.rows.size() - 1, id);
  for (size_t dark = 0; dark < 2; ++dark)
    if (any[dark])
      text += fmt::format(", ${}{} using 1:2:3 with labels font ',{}' tc rgb '{}'",
                          dark == 1 ? "d" : "l", id, font, dark == 1 ? "#000000" : "#ffffff");
  return text + "\n";
}

}  // namespace

std::vector<CellColor> cell_colors(const std::vector<double>& values) {
  std::vector<double> positive;
  for (const double value : values)
    if (value > 0) positive.push_back(value);
  HeatScale scale = heat_scale(positive);
  if (!scale.logarithmic) scale = heat_scale(values);
  const auto place = [&](double value) { return scale.logarithmic ? std::log(value) : value; };
  const std::vector<std::array<int, 3>> palette = heat_palette(kColors);
  std::vector<CellColor> colors;
  for (const double value : values) {
    const double inside = std::clamp(value, scale.low, scale.high);
    const double share =
        (place(inside) - place(scale.low)) / (place(scale.high) - place(scale.low));
    CellColor color;
    color.rgb = palette[static_cast<size_t>(std::lround(share * (kColors - 1)))];
    // The palette's grey rises with its index; its middle is where both kinds of letters are read.
    color.dark_letters = share > 0.5;
    colors.push_back(color);
  }
  return colors;
}

std::string grid_text(const GridMaps& grid, int columns, bool color) {
  std::vector<Block> blocks;
  size_t width = 1;
  for (const GridMap& map : grid.maps) {
    blocks.push_back(block_of(grid, map, color));
    width = std::max(width, blocks.back().width);
  }
  const size_t beside =
      std::max<size_t>(1, (static_cast<size_t>(std::max(columns, 1)) + kGap) / (width + kGap));
  std::string text;
  for (size_t first = 0; first < blocks.size(); first += beside) {
    const size_t end = std::min(first + beside, blocks.size());
    if (first > 0) text += "\n";
    for (size_t l = 0; l < blocks[first].lines.size(); ++l) {
      std::string line;
      for (size_t b = first; b < end; ++b)
        line += blocks[b].lines[l] + std::string(width - blocks[b].width + kGap, ' ');
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
  }
  return text;
}

std::string grid_script(const GridMaps& grid, PictureFormat format, const std::string& title) {
  const int across = std::min(kPanelsBeside, static_cast<int>(grid.maps.size()));
  const int down = (static_cast<int>(grid.maps.size()) + across - 1) / across;
  const int height =
      std::max(kLeastPanel, kPanelFrame + kRowHeight * static_cast<int>(grid.rows.size()));
  const bool svg = format == PictureFormat::svg;
  std::string text = fmt::format(
      "set terminal {} size {},{} font 'sans,{}' background '#ffffff'\nset multiplot layout {},{} "
      "title '{}' noenhanced\nunset key\nset border 0\nset tics scale 0\n",
      svg ? "svg" : "pngcairo", kPanelWidth * across, kTitleHeight + height * down, svg ? 12 : 10,
      down, across, gnuplot_escaped(title));
  const int font = grid.columns.size() <= 8 ? (svg ? 12 : 10) : (svg ? 9 : 7);
  for (size_t m = 0; m < grid.maps.size(); ++m) text += panel(grid, grid.maps[m], m, font);
  return text + "unset multiplot\n";
}

}  // namespace ballast
