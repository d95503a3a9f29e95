// Quantiles of a stream of numbers in bounded memory. Exact while there are at most `capacity`
// different values; then the lowest bits of all are dropped, one by one, as often as it takes, and
// what is said is rounded towards zero by less than 2^dropped_bits units in the last place. The
// order of add() does not matter. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace ballast {

class QuantileCounter {
 public:
  explicit QuantileCounter(size_t capacity) : capacity_(capacity) {}
  void add(double value);  // finite
  int64_t count() const { return count_; }
  int dropped_bits() const { return dropped_; }

  // The limit with which the most of the values are kept that are no more than `share` of them:
  // keep those at or above it (`top`), or those at or below it. Needs a value. Where even the
  // values that equal the most extreme one are more, it is that one.
  double limit(double share, bool top) const;

 private:
  void coarsen();
  size_t capacity_;
  int dropped_ = 0;
  int64_t count_ = 0;
  std::unordered_map<uint64_t, int64_t> counts_;  // by the bits that are left
};

}  // namespace ballast
