#include "libcore/guard/cause_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"
#include "libcore/guard/incident_facts.h"
#include "libcore/io/utf8.h"
#include "libcore/stats/robust.h"

namespace ballast {

using namespace facts;

namespace {

double lr_of(const StepRow& row) { return row.lr; }
double param_norm_of(const StepRow& row) { return row.param_norm; }
double update_rms_of(const StepRow& row) { return row.update_rms; }
double staleness_of(const StepRow& row) {
  return row.v_norm > 0 ? row.norm * row.norm / row.v_norm : kNone;
}

// Incidents of the loss while the learning rate is at its peak, and elsewhere.
void weigh_density(const IncidentScene& scene, WeighedCause& cause) {
  const double peak = scene.line().lr_peak;
  int64_t steps[2] = {}, incidents[2] = {};
  for (size_t i = 0; i < scene.size(); ++i) ++steps[scene.row(i).lr >= .9 * peak];
  for (const PlacedIncident& placed : scene.ground().incidents) {
    const RunIncident& i = *placed.incident;
    const bool of_loss = i.classified || i.detected_loss;
    if (of_loss && placed.line == scene.placed().line && placed.onset < scene.size())
      ++incidents[scene.row(placed.onset).lr >= .9 * peak];
  }
  if (incidents[1] < 3) return;
  const auto rate = [&](int where) {
    return static_cast<double>(incidents[where]) / static_cast<double>(steps[where]);
  };
  const std::string text =
      fmt::format("{} loss incidents in {} steps at the peak, {} in {} elsewhere", incidents[1],
                  steps[1], incidents[0], steps[0]);
  if (steps[0] < 500) {
    cause.supports(.2, text);
  } else if (rate(1) >= 3 * rate(0)) {
    cause.supports(.35, text);
  }
}

}  // namespace

void weigh_stale_beta2(const IncidentScene& scene, WeighedCause& cause) {
  const double usual = typical(scene.before(staleness_of));
  if (std::isnan(usual)) {
    cause.not_recorded("v_norm");
  } else {
    int64_t stale = 0;
    const Extreme worst = extreme_ratio(scene, staleness_of, usual);
    // The gradient may stay ahead of the second moment while the loss is already up.
    for (size_t i = scene.first(); i < scene.size() && i <= scene.onset() + kAtOnce; ++i)
      if (staleness_of(scene.row(i)) >= 4 * usual) ++stale;
    if (stale > 0)
      cause.supports(stale >= 3 ? .45 : .2,
                     fmt::format("grad_norm^2/v_norm was over 4 times its median on {} step{}",
                                 stale, stale > 1 ? "s" : ""));
    else if (worst.ratio < 2)
      cause.contradicts(
          .3, fmt::format("grad_norm^2/v_norm stayed at {} times its median", n(worst.ratio)));
  }
  const double rms = typical(scene.before(update_rms_of));
  const Extreme update = extreme_ratio(scene, update_rms_of, rms);
  if (std::isnan(rms)) cause.not_recorded("update_rms");
  if (update.ratio >= 1.5 && update.value >= 2)
    cause.supports(.45, fmt::format("step {}: update_rms {}, before {}", update.step,
                                    n(update.value), n(rms)));
  const double beta2 = strategy_number(scene, "beta2");
  if (std::isnan(beta2)) return cause.not_recorded("beta2");
  const bool any = std::any_of(cause.evidence.begin(), cause.evidence.end(), [](const Evidence& e) {
    return e.kind == Evidence::Kind::supports;
  });
  if (any && beta2 >= .99) cause.supports(.2, fmt::format("beta2 is {}", format_double(beta2)));
  if (beta2 <= .95) cause.contradicts(.5, fmt::format("beta2 is {}", format_double(beta2)));
}

void weigh_learning_rate(const IncidentScene& scene, WeighedCause& cause) {
  const double peak = scene.line().lr_peak;
  const double now = scene.first() < scene.size() ? scene.row(scene.first()).lr : kNone;
  const double share = now / peak;
  if (std::isnan(share)) {
    cause.not_recorded("learning rate");
  } else {
    const std::vector<double> last = scene.before(lr_of, kNearby);
    const bool rising = !last.empty() && now > 1.02 * last.front();
    if (rising && share >= .5)
      cause.supports(.25, fmt::format("the learning rate was rising, at {:.0f} % of its peak {}",
                                      100 * share, n(peak)));
    else if (share >= .95)
      cause.supports(.15, fmt::format("the learning rate was at its peak {}", n(peak)));
    if (share < .3)
      cause.contradicts(.3, fmt::format("the learning rate was at {:.0f} % of its peak {}",
                                        100 * share, n(peak)));
    weigh_density(scene, cause);
  }
  const std::vector<double> norms = scene.before(norm_of);
  constexpr size_t kPart = 50;
  if (norms.size() < 3 * kPart) {
    cause.not_recorded("150 norms before");
  } else {
    const RobustLevel then = robust_level({norms.begin(), norms.begin() + kPart});
    const double late = median({norms.end() - kPart, norms.end()});
    if (late >= 1.3 * then.center && late >= then.center + 2 * then.scale)
      cause.supports(.25, fmt::format("the norm grew from {} to {} within {} steps before",
                                      n(then.center), n(late), norms.size()));
  }
  const std::string elsewhere = other_data(scene);
  if (!elsewhere.empty()) cause.supports(.3, elsewhere);
}

void weigh_parameter_norm(const IncidentScene& scene, WeighedCause& cause) {
  constexpr int64_t kSpan = 500, kLeast = 50, kSmooth = 10;
  const auto span = std::min(kSpan, static_cast<int64_t>(scene.first()) / 2 - kSmooth);
  const auto level = [&](int64_t back) {
    const auto position = static_cast<int64_t>(scene.first()) - back;
    const std::vector<double> values =
        scene.before(param_norm_of, kSmooth, static_cast<size_t>(std::max(int64_t{0}, position)));
    return values.empty() ? kNone : median(values);
  };
  const double now = level(0), middle = level(span), earlier = level(2 * span);
  if (span < kLeast || std::isnan(now / middle / earlier))
    return cause.not_recorded(fmt::format("param_norm of {} steps", 2 * kLeast));
  const double growth = now / middle - 1, growth_before = middle / earlier - 1;
  const std::string text = fmt::format(
      "param_norm went from {} to {} in {} steps ({:+.2f} %), in as many before {:+.2f} %",
      n(middle), n(now), span, 100 * growth, 100 * growth_before);
  if (std::abs(growth) < .005) return cause.contradicts(.2, text);
  if (growth >= .02 && growth >= 2 * growth_before)
    cause.supports(.55, text);
  else if (growth >= .05)
    cause.supports(.3, text);
  else
    return;
  const double decay = strategy_number(scene, "decay");
  if (decay < .01) cause.supports(.15, fmt::format("weight decay is {}", format_double(decay)));
}

void weigh_logit_growth(const IncidentScene& scene, WeighedCause& cause) {
  const int64_t near = scene.incident().first - kNearby, onset = scene.incident().onset;
  std::vector<double> logits, entropies;
  double logit = kNone, entropy = kNone;
  for (const LayersRow& row : scene.ground().history.layers) {
    if (!scene.line().segments.contains(row.segment) || row.step > onset) continue;
    if (row.step >= near) {
      logit = std::fmax(logit, row.logit_max);
      entropy = std::fmin(entropy, row.entropy_min);
    } else {
      if (std::isfinite(row.logit_max)) logits.push_back(row.logit_max);
      if (std::isfinite(row.entropy_min)) entropies.push_back(row.entropy_min);
    }
  }
  if (logits.size() < 3 || !std::isfinite(logit))
    return cause.not_recorded("layers: attn_logit_max before and at the incident");
  const double usual = median(logits);
  const std::string text = fmt::format("attn_logit_max {}, before {}", n(logit), n(usual));
  if (logit < 1.2 * usual) return cause.contradicts(.2, text);
  if (logit > 100) cause.supports(.2, fmt::format("attn_logit_max {} is over 100", n(logit)));
  if (logit < 2 * usual) return;
  cause.supports(.5, text);
  if (entropies.size() >= 3 && entropy < median(entropies) / 2)
    cause.supports(.2,
                   fmt::format("attn_entropy_min {}, before {}", n(entropy), n(median(entropies))));
}

}  // namespace ballast
