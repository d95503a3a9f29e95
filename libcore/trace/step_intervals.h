// How many steps lie between the records of a log: every step, or one in so many. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace ballast {

class StepIntervals {
 public:
  // `interval` > 0, from one record to the next on the line.
  void add(int64_t interval);
  // The most frequent one; 1 before two records were seen.
  int64_t usual() const;
  // Records that are missing if the log has one every usual() steps.
  int64_t missing() const;

 private:
  // Interval and count; in a log that is written evenly all there are, else the rarest give way.
  std::array<std::pair<int64_t, int64_t>, 32> counts_{};
  int64_t steps_ = 0;    // sum of all intervals
  int64_t records_ = 0;  // number of them
};

}  // namespace ballast
