#include "libcore/optim/clip/adagc.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/check.h"
#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr double kLargest = 1e30;
constexpr double kUnknown = std::numeric_limits<double>::infinity();

double whole_norm(std::span<const double> norms) {
  double squares = 0;
  for (const double norm : norms) squares += norm * norm;
  return std::sqrt(squares);
}

}  // namespace

AdaGcDecision AdaGc::decide(std::span<const double> norms) {
  AdaGcDecision decision;
  decision.factors.assign(norms.size(), 1);
  const double before = whole_norm(norms);
  decision.valid = std::isfinite(before);
  decision.warming = step_ + 1 < ends_;
  if (!decision.valid) return decision;
  if (++step_ == 1) references_.assign(norms.size(), kUnknown);
  BALLAST_CHECK(references_.size() == norms.size());
  const double all = before > 0 ? std::min(settings_.absolute / before, 1.0) : 1;
  double squares = 0;
  for (size_t i = 0; i < norms.size(); ++i) {
    double& factor = decision.factors[i];
    if (norms[i] > 0)
      factor =
          decision.warming ? all : std::min(settings_.relative * references_[i] / norms[i], 1.0);
    const double after = factor * norms[i];
    learn(references_[i], after, decision.warming);
    decision.clipped = decision.clipped || factor < 1;
    squares += after * after;
  }
  warmed_ = warmed_ || !decision.warming;
  if (before > 0) decision.factor = decision.clipped ? std::sqrt(squares) / before : 1;
  return decision;
}

void AdaGc::learn(double& reference, double after, bool warming) const {
  if (warming || reference == kUnknown) {
    if (after > 0) reference = std::min(reference, after);
  } else {
    reference = settings_.beta * reference + (1 - settings_.beta) * after;
  }
}

void AdaGc::on_event() {
  if (settings_.rewarm == 0) return;
  ends_ = warmed_ ? settings_.rewarm : settings_.warmup;
  step_ = 0;
}

std::string AdaGc::spec() const {
  return fmt::format("adagc:beta={},abs={},rel={},warmup={},rewarm={}",
                     format_double(settings_.beta), format_double(settings_.absolute),
                     format_double(settings_.relative), settings_.warmup, settings_.rewarm);
}

bool is_adagc(std::string_view spec) { return spec.substr(0, spec.find(':')) == "adagc"; }

Result<AdaGc> make_adagc(std::string_view text, const std::string& flag) {
  StrategySpec spec = BALLAST_TRY(StrategySpec::parse(text, flag));
  AdaGcSettings settings;
  settings.beta = BALLAST_TRY(spec.take_number("beta", settings.beta, 0, 0.999999));
  settings.absolute = BALLAST_TRY(spec.take_number("abs", settings.absolute, 1e-30, kLargest));
  settings.relative = BALLAST_TRY(spec.take_number("rel", settings.relative, 1e-3, 1e3));
  settings.warmup = BALLAST_TRY(spec.take_count("warmup", settings.warmup, 2, 100000));
  settings.rewarm = BALLAST_TRY(spec.take_count("rewarm", settings.rewarm, 0, 100000));
  BALLAST_TRY(spec.finish());
  if (settings.rewarm == 1)
    return usage_error("adagc: rewarm=1 leaves no step to warm up in", flag, "0, or 2 and more");
  return AdaGc(settings);
}

}  // namespace ballast
