// The piecewise line that explains a series best: optimal partitioning (Jackson et al. 2005,
// exact), with a price for each further segment of three parameters (its border, level and slope)
// by the Bayesian information criterion, 3 log(n) times the variance of the noise, which is robust
// and enlarged where residuals depend on each other, so that no limit has to be chosen. Lines of
// neighbouring segments need not meet: a jump is a border like a bend. Pure; O(n^2), so give it
// means of blocks when there are more than some thousand values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ballast {

struct LineSegment {
  int64_t begin = 0, end = 0;  // indices, half-open
  double first = 0, last = 0;  // the line at x[begin] and at x[end - 1]
  double slope = 0;
};

struct SegmentOptions {
  int64_t least = 8;   // points of a segment, at least 2
  double penalty = 0;  // price of a segment in squared units of y; 0: as said above
};
// x ascending without ties. One segment when there are fewer than twice `least` points; none when
// there are fewer than 2.
std::vector<LineSegment> linear_segments(std::span<const double> x, std::span<const double> y,
                                         const SegmentOptions& options = {});

}  // namespace ballast
