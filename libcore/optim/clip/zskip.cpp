#include "libcore/optim/clip/zskip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr int64_t kMinimum = 64;      // values before the first test
constexpr double kScaleFloor = 1e-3;  // of the mean

void refill(RollingWindow& window, const std::vector<double>& values) {
  window.clear();
  for (const double value : values) window.push(value);
}

}  // namespace

double ZSkip::z_of(const RollingWindow& window, double value) const {
  if (window.size() < std::min(kMinimum, settings_.window))
    return std::numeric_limits<double>::quiet_NaN();
  const Moments moments = window.moments();
  const double s = std::max(std::sqrt(moments.variance), kScaleFloor * std::abs(moments.mean));
  return s > 0 ? (value - moments.mean) / s : 0;
}

// Without a loss (NaN: a trace that has none) the norm alone is tested.
ClipDecision ZSkip::decide(double grad_norm, double loss) {
  ClipDecision decision;
  decision.valid = std::isfinite(grad_norm) && !std::isinf(loss);
  if (!decision.valid) return decision;
  const double loss_z = z_of(losses_, loss);
  decision.z = z_of(norms_, grad_norm);
  decision.warming = std::isnan(decision.z);
  // Comparisons with NaN are false.
  decision.skip = (settings_.norm > 0 && decision.z > settings_.norm) ||
                  (settings_.loss > 0 && loss_z > settings_.loss);
  if (decision.skip) {
    decision.spike = true;
    if (++dropped_ >= settings_.patience) on_event();
    return decision;
  }
  dropped_ = 0;
  norms_.push(grad_norm);
  if (!std::isnan(loss)) losses_.push(loss);
  if (settings_.clip) clip_to(*settings_.clip, grad_norm, decision);
  return decision;
}

void ZSkip::on_event() {
  losses_.clear();
  norms_.clear();
  dropped_ = 0;
}

Json ZSkip::state() const {
  return Json{{"kind", "zskip"},
              {"dropped", dropped_},
              {"losses", numbers_json(losses_.values())},
              {"norms", numbers_json(norms_.values())}};
}

Result<void> ZSkip::load(const Json& state) {
  const std::string where = "clipper state";
  BALLAST_TRY(check_clipper_kind(state, "zskip"));
  const int64_t dropped = BALLAST_TRY(integer_member(state, "dropped", where));
  const std::vector<double> losses =
      BALLAST_TRY(finite_numbers(state, "losses", settings_.window, where));
  const std::vector<double> norms =
      BALLAST_TRY(finite_numbers(state, "norms", settings_.window, where));
  if (dropped < 0 || dropped >= settings_.patience)
    return corrupt_error("clipper state is damaged", where, "'dropped'");
  dropped_ = dropped;
  refill(losses_, losses);
  refill(norms_, norms);
  return {};
}

std::string ZSkip::spec() const {
  return fmt::format("zskip:loss={},norm={},window={},patience={},clip={}",
                     format_double(settings_.loss), format_double(settings_.norm), settings_.window,
                     settings_.patience, settings_.clip ? format_double(*settings_.clip) : "none");
}

}  // namespace ballast
