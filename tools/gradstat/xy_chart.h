// One chart of several curves or clouds of points over a common axis: what `lr` and `scaling` draw,
// as a picture through gnuplot or with braille characters in the terminal.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/cli/tool.h"
#include "tools/gradstat/gnuplot.h"

namespace ballast {

struct XyCurve {
  std::string name;
  std::vector<double> x, y;  // x ascending for lines
  bool points = false;       // unconnected
};

struct XyChart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<XyCurve> curves;
};

// --plot, --width and --height of a verb whose -o takes a picture.
struct ChartOptions {
  bool plot = false;
  int width = 1200, height = 800;
};
void add_chart_options(CLI::App& app, ChartOptions& options);

// Does -o name a picture?
bool wants_picture(const CommonOptions& common);

// The picture to -o, or with --plot the chart to the terminal; nothing when neither was asked for.
Result<void> show_chart(const XyChart& chart, const ChartOptions& options,
                        const CommonOptions& common);

std::string gnuplot_script(const XyChart& chart, const PictureOptions& options);
std::string terminal_chart(const XyChart& chart, int columns, int rows);

}  // namespace ballast
