#include "tools/pretrain/run_clock.h"

#include <algorithm>

namespace ballast {

void RunClock::begin_step() {
  step_start_ = Clock::now();
  data_seconds_ = communication_seconds_ = 0;
}

void RunClock::add_step(int64_t step, double seconds) {
  step_seconds_ = seconds;
  average_seconds_ = average_seconds_ == 0 ? seconds : 0.9 * average_seconds_ + 0.1 * seconds;
  steps_.emplace_back(step, seconds);
  if (steps_.size() > kStepsKept) steps_.pop_front();
}

double RunClock::compute_seconds() const {
  return std::max(0.0, step_seconds_ - data_seconds_ - communication_seconds_);
}

double RunClock::seconds_after(int64_t step) const {
  double seconds = 0;
  for (auto it = steps_.rbegin(); it != steps_.rend() && it->first > step; ++it)
    seconds += it->second;
  return seconds;
}

void RunClock::saved(double seconds) {
  last_save_ = Clock::now();
  saving_seconds_ += seconds;
  longest_save_ = std::max(longest_save_, seconds);
}

}  // namespace ballast
