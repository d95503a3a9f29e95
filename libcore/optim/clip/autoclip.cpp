#include "libcore/optim/clip/autoclip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"

namespace ballast {

ClipDecision AutoClip::decide(double grad_norm, double /*loss*/) {
  ClipDecision decision;
  decision.valid = std::isfinite(grad_norm);
  if (!decision.valid) return decision;
  history_.push(grad_norm);
  if (warmup_left_ > 0) {
    --warmup_left_;
    decision.warming = true;
    return decision;
  }
  clip_to(history_.quantile(settings_.p / 100), grad_norm, decision);
  return decision;
}

void AutoClip::on_event() {
  if (settings_.rewarm == 0) return;
  history_.clear();
  warmup_left_ = settings_.rewarm;
}

Json AutoClip::state() const {
  return Json{{"kind", "autoclip"},
              {"warmup_left", warmup_left_},
              {"history", numbers_json(history_.values())}};
}

Result<void> AutoClip::load(const Json& state) {
  const std::string where = "clipper state";
  BALLAST_TRY(check_clipper_kind(state, "autoclip"));
  const int64_t left = BALLAST_TRY(integer_member(state, "warmup_left", where));
  const std::vector<double> values =
      BALLAST_TRY(finite_numbers(state, "history", settings_.window, where));
  if (left < 0 || left > settings_.rewarm)
    return corrupt_error("clipper state is damaged", where, "'warmup_left'");
  warmup_left_ = left;
  history_.clear();
  for (const double value : values) history_.push(value);
  return {};
}

std::string AutoClip::spec() const {
  return fmt::format("autoclip:p={},window={},rewarm={}", format_double(settings_.p),
                     settings_.window, settings_.rewarm);
}

}  // namespace ballast
