// The loss of a run's surviving line over tokens or steps, as `events`, `drift` and `diff` compare
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/io/json.h"

namespace ballast {

enum class CurveAxis { tokens, steps };

// Parallel; x ascends strictly. Skipped steps and losses that are not finite are left out.
struct LossCurve {
  CurveAxis axis = CurveAxis::tokens;
  std::vector<double> x;
  std::vector<int64_t> steps, tokens;
  std::vector<double> loss;
  std::vector<double> norm, lr;  // NaN: none
  std::vector<double> seconds;   // of the line so far, pauses between segments left out
  bool has_seconds = false;      // the trace has times
};

bool counts_tokens(const RunHistory& history);
LossCurve loss_curve(const RunHistory& history, CurveAxis axis);

// The name of the run, or its path.
std::string run_title(const RunHistory& history);
// "1.2B tokens", "step 120".
std::string position_text(CurveAxis axis, double x);

// A gnuplot script of panels under each other over one axis.
struct PicturePanel {
  std::string label;  // of the y axis
  struct Line {
    std::string name;
    std::vector<double> x, y;
  };
  std::vector<Line> lines;
  bool logarithmic = false;
};
std::string panel_script(const std::vector<PicturePanel>& panels, const std::vector<double>& marks,
                         const std::string& x_label, bool logarithmic_x, bool svg,
                         const std::string& title);

}  // namespace ballast
