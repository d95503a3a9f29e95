// The rules under test: each goes over one run and says at which positions it raised an alarm.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libcore/guard/classifier.h"

namespace ballast {

struct RunView {
  std::span<const int64_t> steps;
  std::span<const double> loss, norm;  // NaN: not recorded, or not finite
  std::span<const int64_t> events;     // that move levels
};

struct AlarmRule {
  std::string name;
  std::vector<size_t> (*alarms)(const RunView& run);  // positions, ascending
  int64_t late = 20;  // steps after the onset until which an alarm is of the incident
};
std::span<const AlarmRule> alarm_rules();

std::vector<Incident> classify_run(const RunView& run);

}  // namespace ballast
