// The last n values of a series with moments recomputed in two passes, in an order that depends on
// the age of the values alone: exact, and the same bits after a restart, unlike running sums. Meant
// for n <= 4096. One thread; no errors. Values must be finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ballast {

struct Moments {
  double mean = 0;
  double variance = 0;  // population (divisor n)
};

// Least-squares line through the values against their position.
struct Trend {
  double slope = 0;     // per position
  double next = 0;      // of the line at the position after the newest value
  double variance = 0;  // of the residuals, population
  double recent = 0;    // mean of the newest 16 values
};

class RollingWindow {
 public:
  explicit RollingWindow(int64_t capacity);
  void push(double value);  // drops the oldest when full
  void clear() { begin_ = size_ = 0; }
  int64_t size() const { return size_; }
  int64_t capacity() const { return static_cast<int64_t>(ring_.size() / 2); }
  Moments moments() const;  // of at least one value
  Trend trend() const;      // of at least two values
  std::vector<double> values() const { return {view().begin(), view().end()}; }  // oldest first
  std::span<const double> view() const {  // the same, until the next change
    return {ring_.data() + begin_, static_cast<size_t>(size_)};
  }

 private:
  std::vector<double> ring_;  // twice, one behind the other, so that the values stand in a row
  int64_t begin_ = 0;
  int64_t size_ = 0;
};

}  // namespace ballast
