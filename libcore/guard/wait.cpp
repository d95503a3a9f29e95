#include "libcore/guard/wait.h"

#include <algorithm>
#include <cmath>

namespace ballast {

void Wait::begin(const Alarm& alarm, int64_t steps) {
  alarm_ = alarm;
  steps_ = steps;
  values_.clear();
}

Wait::Outcome Wait::observe(int64_t step, double loss) {
  if (!active()) return Outcome::none;
  if (step <= alarm_.onset) return Outcome::waiting;
  // A step that is not finite does not get better by waiting for more of them.
  if (alarm_.kind == IncidentKind::nonfinite && !std::isfinite(loss)) {
    steps_ = 0;
    return Outcome::failed;
  }
  values_.push_back(std::isfinite(loss) ? loss : std::numeric_limits<double>::infinity());
  if (static_cast<int64_t>(values_.size()) > kValues) values_.erase(values_.begin());
  if (step < until()) return Outcome::waiting;
  std::vector<double> sorted = values_;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  steps_ = 0;
  return *middle <= alarm_.limit ? Outcome::recovered : Outcome::failed;
}

Json Wait::state() const {
  if (!active()) return Json::object();
  Json values = Json::array();
  for (const double value : values_) values.push_back(json_number(value));
  return {{"kind", alarm_.kind == IncidentKind::jump ? "jump" : "nonfinite"},
          {"onset", alarm_.onset},
          {"samples", alarm_.samples},
          {"warning", alarm_.warning},
          {"limit", json_number(alarm_.limit)},
          {"steps", steps_},
          {"values", std::move(values)}};
}

Result<void> Wait::load(const Json& state) {
  const std::string where = "wait of the guard";
  if (state.is_object() && state.empty()) {
    end();
    return {};
  }
  Wait loaded;
  const std::string kind = BALLAST_TRY(string_member(state, "kind", where));
  loaded.alarm_.kind = kind == "jump" ? IncidentKind::jump : IncidentKind::nonfinite;
  loaded.alarm_.onset = BALLAST_TRY(integer_member(state, "onset", where));
  loaded.alarm_.samples = BALLAST_TRY(integer_member(state, "samples", where));
  loaded.alarm_.warning = BALLAST_TRY(integer_member(state, "warning", where));
  loaded.alarm_.limit = BALLAST_TRY(number_member(state, "limit", where));
  loaded.steps_ = BALLAST_TRY(integer_member(state, "steps", where));
  const Json* values = BALLAST_TRY(member(state, "values", where));
  constexpr int64_t kMostSteps = 1'000'000'000, kLastStep = int64_t{1} << 62;
  if (!values->is_array() || static_cast<int64_t>(values->size()) > kValues || loaded.steps_ < 1 ||
      loaded.steps_ > kMostSteps || loaded.alarm_.onset < 0 || loaded.alarm_.onset > kLastStep ||
      (kind != "jump" && kind != "nonfinite"))
    return corrupt_error("the state is damaged", where);
  for (const Json& value : *values) loaded.values_.push_back(BALLAST_TRY(number_of(value, where)));
  *this = std::move(loaded);
  return {};
}

}  // namespace ballast
