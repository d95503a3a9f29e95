// Quantiles of a stream in memory that does not grow with its length: exact (those of quantile() in
// robust.h) up to kExact values, then from counts of values that agree in their first 13 binary
// digits, so that a quantile is right to one part in 16,000. Values must be finite. Pure; one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ballast {

class StreamQuantiles {
 public:
  static constexpr size_t kExact = size_t{1} << 16;
  void add(double value);
  int64_t count() const { return count_; }
  double quantile(double p) const;  // 0 <= p <= 1; NaN without values

 private:
  double at(int64_t rank) const;
  std::vector<double> values_;                   // until there are too many
  std::unordered_map<int64_t, int64_t> counts_;  // afterwards: how many by key_of() their value
  mutable std::vector<std::pair<int64_t, int64_t>> sorted_;  // of counts_, made when asked
  int64_t count_ = 0;
};

}  // namespace ballast
