// Curves given by points: what two of them have in common, when one first comes down to a level,
// and what its own past foretells. Pure. x ascends strictly.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ballast {

// The value at `at` between neighbouring points; NaN outside of the range.
double interpolated(std::span<const double> x, std::span<const double> y, double at);

// Median of the values in a window of `width` around each (cut off at the ends, so that it stays
// centred). Even widths count as the next odd one.
std::vector<double> running_median(std::span<const double> values, int64_t width);

// First x at which the curve is at or below `level`, interpolated between points; NaN: never.
double first_at_or_below(std::span<const double> x, std::span<const double> y, double level);

// For each point what a least-squares line in log x through the points of [x/4, x/2] foretells; NaN
// where fewer than `least` points lie there, or x is not positive. A curve that falls as a power of
// x lies above it by ever less.
std::vector<double> foretold(std::span<const double> x, std::span<const double> y, int64_t least);

}  // namespace ballast
