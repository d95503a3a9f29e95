// A finished warmup-stable-decay run continued to a longer horizon at the rate it already used
// (Schaipp et al., arXiv 2501.18965, section 5): so that this rate is again the best one by the
// last-iterate bound, the new schedule's gamma* must equal the old one's. Two ways:
//   two-stage  the rate is kept up to the old cooldown's start H, goes to rho times it over a short
//              straight line, and cools down over the same share of the new length as before
//   cooldown   the rate is kept and the share of the cooldown c grows
// The plan's schedule is of kind file, evaluated by the law that trains with it; what is solved is
// solved on that schedule, warm-up and transition included, with a constant gradient norm. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/optim/schedule.h"
#include "libcore/stats/lr_bound.h"

namespace ballast {

// Multipliers of the steps that begin at borders[i] and end at borders[i + 1].
std::vector<double> step_multipliers(const Schedule& schedule, const std::vector<int64_t>& borders);

enum class ExtensionWay { two_stage, cooldown };

struct ExtensionRequest {
  Schedule old;                      // wsd with a cooldown
  std::vector<int64_t> borders;      // tokens where the old run's steps begin, and its end
  std::vector<int64_t> new_borders;  // likewise of the longer run
  int64_t transition_tokens = 0;     // two-stage: length of the straight line
};

// The grids of the paper: 33 values each.
inline constexpr int kExtensionGrid = 33;
double extension_grid_value(ExtensionWay way, int index);

struct Extension {
  ExtensionWay way = ExtensionWay::two_stage;
  bool found = false;     // a value between the ends of the grid's range solves it
  double value = 0;       // rho or c
  double grid_value = 0;  // the nearest of the grid; NaN where none is within reach
  LrBound bound;          // of `schedule`
  int64_t branch_from =
      0;              // tokens up to which the rate is the old run's: its last usable checkpoint
  Schedule schedule;  // kind file, multipliers
};

// The schedule of one value. Kind usage when its parts do not fit into the new length.
Result<Schedule> extended_schedule(const ExtensionRequest& request, ExtensionWay way, double value);

Result<Extension> extend_schedule(const ExtensionRequest& request, ExtensionWay way);

}  // namespace ballast
