// The gnuplot program, started as a child without a shell.
#pragma once

#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

enum class PictureFormat { svg, png };

struct PictureOptions {
  PictureFormat format = PictureFormat::svg;
  int width = 1200, height = 800;  // pixels
  int font = 11;                   // points: what is readable depends on where the picture goes
  double line = 1;                 // factor on the width of lines
  std::string title;
};

// Runs gnuplot on the script and gives the picture. Kind io when it is missing or fails.
Result<std::string> run_gnuplot(const std::string& script);

// Text inside single quotes of a script: quotes doubled, control characters as spaces.
std::string gnuplot_escaped(std::string_view text);
std::string gnuplot_quoted(std::string_view text);  // with the quotes

// Characters that DejaVu Sans lacks as \u{65E5}: pictures in PNG are drawn with the fonts of this
// machine, and where none has a character stands a box as high as the page. run_gnuplot() does so
// with scripts for PNG; SVG keeps its text for the fonts of its reader.
std::string with_drawable_text(std::string_view text);

}  // namespace ballast
