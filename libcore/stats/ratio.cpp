#include "libcore/stats/ratio.h"

#include <cmath>
#include <limits>

namespace ballast {

void ClusteredMean::add(double sum, double items) {
  if (items <= 0) return;
  clusters_.push_back({sum, items});
  sum_ += sum;
  items_ += items;
}

double ClusteredMean::mean() const {
  return items_ > 0 ? sum_ / items_ : std::numeric_limits<double>::quiet_NaN();
}

double ClusteredMean::standard_error() const {
  if (clusters_.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const double center = mean();
  double squares = 0;
  for (const Cluster& c : clusters_) squares += std::pow(c.sum - center * c.items, 2);
  const auto n = static_cast<double>(clusters_.size());
  return std::sqrt(squares * n / (n - 1)) / items_;
}

Interval wilson_interval(int64_t successes, int64_t trials) {
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n, z2 = kNormal95 * kNormal95;
  const double center = p + z2 / (2 * n);
  const double half = kNormal95 * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {(center - half) / (1 + z2 / n), (center + half) / (1 + z2 / n)};
}

}  // namespace ballast
