// Facts around one incident that several causes are weighed by. Internal to libcore/guard. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "libcore/guard/incident_scene.h"

namespace ballast::facts {

inline constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
inline constexpr int64_t kAtOnce = 5;       // steps between what happened and its effect
inline constexpr int64_t kNearby = 50;      // ... at most
inline constexpr int64_t kSamePlace = 200;  // steps between incidents that recur on two branches
inline constexpr size_t kFewest = 20;       // values that make a median

inline double loss_of(const StepRow& row) { return row.loss; }
inline double norm_of(const StepRow& row) { return row.norm; }

// The median; NaN with too few values.
double typical(const std::vector<double>& values);
std::string n(double value);  // three digits

// Ratio of a step to the typical value before, at the step from first to onset where it is largest.
struct Extreme {
  double ratio = kNone;
  int64_t step = -1;
  double value = kNone;
};
Extreme extreme_ratio(const IncidentScene& scene, IncidentScene::Value value, double before);

// Alarms of the guard at the incident's steps.
std::vector<const EventRecord*> alarms(const IncidentScene& scene);

// The highest losses by sequence of the first alarm that lists them.
struct Sequences {
  int64_t step = -1;  // -1: none listed
  double highest = kNone, middle = kNone, lowest = kNone;
};
Sequences sequences(const IncidentScene& scene);

// One rank's loss is high alone; empty when it is not, or not recorded.
std::string odd_rank(const IncidentScene& scene, bool& is_recorded);

// The same samples on another branch: with an incident, or without.
enum class Rerun { none, recurred, passed };
Rerun same_data(const IncidentScene& scene, std::string& text);
// An incident near this step, on another branch, at other data; empty: none.
std::string other_data(const IncidentScene& scene);

// A number from the optimizer's text ("adamw:beta1=0.9,beta2=0.95,..."); NaN: not there.
double strategy_number(const IncidentScene& scene, const std::string& key);

}  // namespace ballast::facts
