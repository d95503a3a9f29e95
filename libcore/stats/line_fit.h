// A least-squares line with standard errors that stay honest when neighbouring residuals resemble
// each other, as those of a training loss do: Bartlett weights (Newey and West 1987) over 1.3
// sqrt(n) lags (Lazarus, Lewis, Stock, Watson 2018), and the critical value that belongs to so many
// lags (fixed-b, Kiefer and Vogelsang 2005) instead of 1.96. Pure.
#pragma once

#include <cstdint>
#include <span>

namespace ballast {

struct LineFit {
  double value = 0;  // of the line at the asked position
  double slope = 0;
  double value_error = 0, slope_error = 0;  // standard errors
  double critical = 0;                      // errors that make half a 95 % interval
};
// At least 4 points, x not all equal; x in order of time.
LineFit fit_line(std::span<const double> x, std::span<const double> y, double at);

}  // namespace ballast
