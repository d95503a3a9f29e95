// Does a series rise or fall, by how much, and since when: rank tests and robust fits that take no
// distribution for granted, with corrections for values that depend on their neighbours. Pure;
// values must be finite, and n is small (pairs are counted: O(n^2)).
#pragma once

#include <cstdint>
#include <span>

namespace ballast {

// Kendall's S = number of pairs that rise minus those that fall, with its variance for independent
// values (Mann 1945, Kendall 1970, with the correction for ties).
struct KendallTrend {
  double score = 0;
  double variance = 0;
  // Standard normal when there is no trend; with the correction for continuity. `inflation`
  // multiplies the variance.
  double z(double inflation = 1) const;
};
KendallTrend kendall_trend(std::span<const double> values);

// By how much the variance of a mean or a trend of n values is larger than if they were
// independent: (1 + rho)/(1 - rho) with rho the lag-1 autocorrelation of `residuals`, corrected for
// its bias in short series; never below 1.
double serial_inflation(std::span<const double> residuals);

// Theil-Sen slope with Sen's interval (1968) from Kendall's variance times `inflation`; `z` is the
// normal quantile (1.96: 95 %). x ascending without ties, at least 3 points. More than 512 points
// are thinned evenly first.
struct SlopeInterval {
  double slope = 0, low = 0, high = 0;
};
SlopeInterval theil_sen_interval(std::span<const double> x, std::span<const double> y,
                                 double inflation, double z);

// The single step that explains most of a series: mean `before` up to index `at` (exclusive), mean
// `after` from it on. At least 2 values on either side; n >= 4.
struct StepFit {
  int64_t at = 0;
  double before = 0, after = 0;
};
StepFit best_step(std::span<const double> values);

// Two straight lines that meet at x[knot]: the least-squares fit over all knots with at least 2
// points on either side; n >= 5, x ascending.
struct HingeFit {
  int64_t knot = 0;
  double at_knot = 0;            // value there
  double before = 0, after = 0;  // slopes
};
HingeFit best_hinge(std::span<const double> x, std::span<const double> y);

}  // namespace ballast
