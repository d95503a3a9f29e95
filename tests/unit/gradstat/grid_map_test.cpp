#include "tools/gradstat/grid_map.h"

#include <gtest/gtest.h>

#include <numeric>

namespace ballast {
namespace {

GridMaps two_by_three() {
  GridMaps grid;
  grid.row_name = "z";
  grid.column_name = "alpha";
  grid.rows = {"2", "2.5"};
  grid.columns = {"0.9", "0.95", "0.99"};
  grid.marked = {false, true, true, false, false, true};
  grid.maps = {{"first", {1, 2, 3, 4, 5, 6}, {"1", "2", "3", "4", "5", "6"}},
               {"second, longer", {0, 0, 0, 0, 0, 0}, {"0", "0", "0", "0", "0", "0"}}};
  return grid;
}

TEST(GridText, PutsMapsBesideEachOtherWhereTheyFit) {
  EXPECT_EQ(grid_text(two_by_three(), 40, false),
            "first                second, longer\n"
            "  z  0.9 0.95 0.99     z  0.9 0.95 0.99\n"
            "  2    1[   2|   3]    2    0[   0|   0]\n"
            "2.5    4    5[   6]  2.5    0    0[   0]\n");
  EXPECT_EQ(grid_text(two_by_three(), 30, false),
            "first\n"
            "  z  0.9 0.95 0.99\n"
            "  2    1[   2|   3]\n"
            "2.5    4    5[   6]\n"
            "\n"
            "second, longer\n"
            "  z  0.9 0.95 0.99\n"
            "  2    0[   0|   0]\n"
            "2.5    0    0[   0]\n");
}

TEST(GridText, ColoursTheGroundOfACellAlone) {
  GridMaps grid = two_by_three();
  const std::string text = grid_text(grid, 30, true);
  EXPECT_NE(text.find("  2 \x1b[48;5;"), std::string::npos);
  EXPECT_NE(text.find("   1\x1b[0m[\x1b["), std::string::npos);
}

int grey(const CellColor& color) { return std::accumulate(color.rgb.begin(), color.rgb.end(), 0); }

TEST(CellColors, GoByTheLogarithmOverDecadesAndByTheValueOtherwise) {
  const std::vector<CellColor> wide = cell_colors({0, 0.01, 0.1, 1});
  EXPECT_EQ(wide[0].rgb, wide[1].rgb);
  EXPECT_LT(grey(wide[1]), grey(wide[2]));
  EXPECT_LT(grey(wide[2]), grey(wide[3]));
  EXPECT_EQ(wide[2].rgb, cell_colors({1, 10, 100})[1].rgb);
  const std::vector<CellColor> narrow = cell_colors({0, 5, 10});
  EXPECT_NE(narrow[0].rgb, narrow[1].rgb);
  EXPECT_FALSE(narrow[0].dark_letters);
  EXPECT_TRUE(narrow[2].dark_letters);
  EXPECT_EQ(cell_colors({3, 3})[0].rgb, cell_colors({3, 3})[1].rgb);
}

TEST(GridScript, FramesTheMarkedCells) {
  const std::string script = grid_script(two_by_three(), PictureFormat::svg, "it's");
  EXPECT_NE(script.find("title 'it''s'"), std::string::npos);
  EXPECT_NE(script.find("set object rectangle center 1,0 "), std::string::npos);
  EXPECT_NE(script.find("set object rectangle center 2,1 "), std::string::npos);
  EXPECT_EQ(script.find("set object rectangle center 0,0 "), std::string::npos);
  EXPECT_NE(script.find("set ytics ('2' 0, '2.5' 1)"), std::string::npos);
}

}  // namespace
}  // namespace ballast
