// Curves for pictures: the surviving line and what was abandoned, thinned so that no spike is lost
// (each bucket of steps keeps its lowest and highest value of every curve), and smoothed where that
// was asked for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/guard/incidents.h"

namespace ballast {

// A mark at a step: events of the trace and onsets of incidents.
struct Mark {
  int64_t step = 0;
  std::string label;
  bool incident = false;
};

// Parallel to `steps`; NaN where there is nothing. Non-finite losses are NaN too and listed apart.
struct Curves {
  std::vector<int64_t> steps;
  std::vector<double> loss, norm, norm_clipped, threshold, lr;
  std::vector<int64_t> nonfinite_steps;  // of all branches
  std::vector<int64_t> abandoned_steps;  // ascending, repeated where several branches were left
  std::vector<double> abandoned_loss, abandoned_norm;
  std::vector<Mark> marks;
};

struct CurveOptions {
  int64_t from = 0, to = INT64_MAX;  // steps
  int64_t smooth = 1;                // norms: mean over so many steps before thinning
  int64_t buckets = 2000;
};

Curves curves_of(const RunHistory& history, const std::vector<RunIncident>& incidents,
                 const CurveOptions& options);

}  // namespace ballast
