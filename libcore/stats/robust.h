// Order statistics and robust fits of whole (small) samples. Pure; values must be finite. Samples
// are taken by value where they are reordered. Empty input gives NaN.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ballast {

// Linear interpolation between order statistics: position p (n - 1), as NumPy's default. 0<=p<=1.
double quantile(std::vector<double> values, double p);
double median(std::vector<double> values);

inline constexpr double kMadToSigma =
    1.4826;  // median absolute deviations of a normal distribution

struct RobustLevel {
  double center = 0;  // median
  double scale = 0;   // 1.4826 * median absolute deviation: sigma of a normal distribution
};
RobustLevel robust_level(std::vector<double> values);

// Theil-Sen slope: the median over all pairs of (y_j - y_i)/(x_j - x_i), x ascending without ties.
// More than 512 points are thinned evenly first (pairs grow with the square).
double theil_sen_slope(std::span<const double> x, std::span<const double> y);

// Lag-k autocorrelation with the overall mean; 0 for a constant series, NaN when k >= n.
double autocorrelation(std::span<const double> values, int64_t lag);

// The last `window` values of a stream, sorted, with O(window) insertion: the median at once, the
// MAD in one sweep. Values leave in the order they came.
class SortedWindow {
 public:
  explicit SortedWindow(int64_t capacity);
  void push(double value);
  void clear();
  int64_t size() const { return static_cast<int64_t>(sorted_.size()); }
  double median() const;            // of at least one value
  double quantile(double p) const;  // as quantile() above, of at least one value
  RobustLevel level() const;
  std::vector<double> values() const;  // oldest first

 private:
  size_t capacity_;
  std::vector<double> order_;  // a ring
  size_t begin_ = 0;
  std::vector<double> sorted_;
};

}  // namespace ballast
