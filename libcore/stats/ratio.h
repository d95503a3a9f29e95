// A mean over items that come in clusters, as the loss per token does in windows: sum of values
// over sum of items, with the standard error of a ratio of sums over clusters (tokens of one window
// are not independent). And the Wilson interval of a share. One thread; no errors.
#pragma once

#include <cstdint>
#include <vector>

namespace ballast {

class ClusteredMean {
 public:
  // Sum of the values and number of items of one cluster; a cluster without items counts nothing.
  void add(double sum, double items);
  double items() const { return items_; }
  double mean() const;            // NaN without items
  double standard_error() const;  // NaN with fewer than two clusters

 private:
  struct Cluster {
    double sum, items;
  };
  std::vector<Cluster> clusters_;
  double sum_ = 0;
  double items_ = 0;
};

struct Interval {
  double low = 0, high = 0;
};
// 95 % interval of successes / trials (Wilson 1927); trials > 0.
Interval wilson_interval(int64_t successes, int64_t trials);

// The two-sided 95 % quantile of the normal distribution.
inline constexpr double kNormal95 = 1.959963984540054;

}  // namespace ballast
