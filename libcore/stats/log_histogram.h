// Quantiles of positive numbers in memory that does not grow with their count: buckets whose
// borders are a percent apart, so that a quantile is right to half a percent. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>

namespace ballast {

class LogHistogram {
 public:
  // Numbers that are not finite or not above 0 are not counted.
  void add(double value);
  int64_t count() const { return count_; }
  // The value with a share `q` (0 to 1) of all below it: the geometric middle of its bucket, but
  // never outside what was added; NaN without values.
  double quantile(double q) const;

 private:
  std::map<int32_t, int64_t> buckets_;
  int64_t count_ = 0;
  double lowest_ = 0, highest_ = 0;
};

}  // namespace ballast
