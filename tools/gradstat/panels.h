// What a plot shows: runs, panels one under the other, scales. Drawn in the terminal and by gnuplot
// alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "tools/gradstat/series.h"

namespace ballast {

struct PlotRun {
  std::string name;
  Curves curves;
};

enum class Panel {
  loss,
  norms,    // before and after clipping with the threshold, in one
  norm,     // before
  clipped,  // after
  lr,
  speed,
};
std::string_view panel_word(Panel panel);   // as --panels takes it
std::string_view panel_title(Panel panel);  // as a person reads it

// Words of --panels; `zclip` stands for loss, norm, clipped (the layout of arXiv 2504.02507).
Result<std::vector<Panel>> parse_panels(const std::vector<std::string>& words);

// Words of --log: panels, `x`, and alone `auto` (norms where they span a decade) or `none`.
struct LogScales {
  bool automatic = true;
  bool x = false;
  std::vector<Panel> panels;
};
Result<LogScales> parse_log_scales(const std::vector<std::string>& words);

struct PanelView {
  std::vector<Panel> panels = {Panel::loss, Panel::norms};
  LogScales log;
  int64_t smooth = 1;  // only for labels: the curves are smoothed already
};

// One curve of a panel. A run whose trace has nothing for it gives none.
struct PanelCurve {
  size_t run = 0;
  const std::vector<double>* values = nullptr;
  const std::vector<int64_t>* x = nullptr;
  enum class Role { line, before, after, threshold, abandoned } role = Role::line;
};
std::vector<PanelCurve> panel_curves(Panel panel, const std::vector<PlotRun>& runs);
// Whether this panel is logarithmic: asked for, or by itself.
bool is_logarithmic(Panel panel, const LogScales& log, const std::vector<PanelCurve>& curves);
// Panels that have something to draw, in their order.
std::vector<Panel> drawable_panels(const PanelView& view, const std::vector<PlotRun>& runs);

}  // namespace ballast
