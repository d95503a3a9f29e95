// Curves for pictures: the surviving line and what was abandoned, thinned so that no spike is lost
// (each bucket of the x axis keeps its lowest and highest value of every curve), and smoothed where
// that was asked for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/guard/incidents.h"

namespace ballast {

enum class XAxis { step, tokens };

// A mark at a step: events of the trace and onsets of incidents.
struct Mark {
  int64_t step = 0;
  int64_t x = 0;  // of that step
  std::string label;
  bool incident = false;
  bool phase = false;  // a phase of the data begins
};

// Parallel to `x`; NaN where there is nothing. Non-finite losses are NaN too and listed apart.
struct Curves {
  XAxis axis = XAxis::step;
  std::vector<int64_t> x, steps;  // x: steps or tokens, ascending
  std::vector<double> loss, norm, norm_clipped, threshold, lr, speed;  // speed: tokens/s
  std::vector<int64_t> nonfinite_x;                                    // of all branches
  std::vector<int64_t> abandoned_x;  // ascending, repeated where several branches were left
  std::vector<double> abandoned_loss, abandoned_norm;
  std::vector<Mark> marks;
  bool empty() const { return x.empty(); }
};

struct CurveOptions {
  XAxis axis = XAxis::step;
  int64_t from = 0, to = INT64_MAX;  // of the axis
  int64_t smooth = 1;                // norms: mean over so many steps before thinning
  int64_t buckets = 2000;
};

// False when a trace does not count tokens: its curves cannot stand over them.
bool has_tokens(const RunHistory& history);

Curves curves_of(const RunHistory& history, const std::vector<RunIncident>& incidents,
                 const CurveOptions& options);

// Trailing mean over up to `width` values; what is not finite is passed over and stays a gap.
std::vector<double> smoothed(const std::vector<double>& values, int64_t width);

// Positions to keep of curves with n values each, ascending: the first, the last, and per bucket
// where any curve has its lowest and its highest finite value. All of them when n is small.
std::vector<size_t> thinned(const std::vector<const std::vector<double>*>& curves, size_t n,
                            int64_t buckets);

// "loss" has something to draw.
bool any_finite(const std::vector<double>& values);
// What pictures of several runs call this one: the run's name, else what its trace is called.
std::string run_name(const RunHistory& history);

}  // namespace ballast
