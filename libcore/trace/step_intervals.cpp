#include "libcore/trace/step_intervals.h"

#include <algorithm>

namespace ballast {

void StepIntervals::add(int64_t interval) {
  steps_ += interval;
  ++records_;
  auto rarest = counts_.begin();
  for (auto place = counts_.begin(); place != counts_.end(); ++place) {
    if (place->second == 0 || place->first == interval) {
      place->first = interval;
      ++place->second;
      return;
    }
    if (place->second < rarest->second) rarest = place;
  }
  *rarest = {interval, 1};
}

int64_t StepIntervals::usual() const {
  const auto most =
      std::max_element(counts_.begin(), counts_.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->second > 0 ? most->first : 1;
}

// Short intervals (an extra record between two regular ones) do not make up for long ones.
int64_t StepIntervals::missing() const {
  const int64_t usual_interval = usual();
  int64_t missing = 0, seen_steps = 0, seen_records = 0;
  for (const auto& [interval, count] : counts_) {
    seen_steps += interval * count;
    seen_records += count;
    missing += std::max<int64_t>(0, (interval + usual_interval - 1) / usual_interval - 1) * count;
  }
  // Of those that have no place in the table any more only the mean is known.
  const int64_t rest = std::max<int64_t>(0, (steps_ - seen_steps) / usual_interval);
  return missing + std::max<int64_t>(0, rest - (records_ - seen_records));
}

}  // namespace ballast
