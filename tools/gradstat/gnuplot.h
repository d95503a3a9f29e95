// Pictures through the gnuplot program, started as a child without a shell.
#pragma once

#include <string>

#include "libcore/base/result.h"
#include "tools/gradstat/series.h"

namespace ballast {

enum class PictureFormat { svg, png };

struct PictureOptions {
  PictureFormat format = PictureFormat::svg;
  int width = 1200, height = 800;  // pixels
  std::string title;
  int64_t smooth = 1;  // only for the label: the curves are smoothed already
};

// The gnuplot script of loss (above) and norms (below), with its data.
std::string gnuplot_script(const Curves& curves, const PictureOptions& options);

// Runs gnuplot on the script and gives the picture. Kind io when it is missing or fails.
Result<std::string> run_gnuplot(const std::string& script);

}  // namespace ballast
