#include "libcore/stats/lr_bound.h"

#include <cmath>

namespace ballast {

double LrBound::best_gamma() const { return std::sqrt(distance_term / noise_term); }
double LrBound::best() const { return 2 * std::sqrt(distance_term * noise_term); }

Result<LrBound> lr_bound(std::span<const double> eta, const LrBoundSettings& settings) {
  BALLAST_CHECK(settings.norms.empty() || settings.norms.size() >= eta.size());
  size_t count = eta.size();
  while (count > 0 && !(eta[count - 1] > 0)) --count;
  if (count == 0)
    return usage_error("no step has a learning rate above 0", "--schedule",
                       "the bound needs a last step that moves");
  double rates = 0, squares = 0, sum = 0;  // S, Q, and twice the second part of T2
  for (size_t k = count; k-- > 0;) {
    const double norm = settings.norms.empty() ? settings.norm : settings.norms[k];
    const double later = rates;  // S_{k+1}
    rates += eta[k];
    squares += eta[k] * eta[k] * norm * norm;
    if (later > 0) sum += eta[k] / later * (squares / rates);
  }
  if (!(squares > 0))
    return usage_error("all gradient norms are 0", "", "the bound needs a norm above 0");
  LrBound bound;
  bound.steps = static_cast<int64_t>(count);
  bound.distance_term = settings.distance * settings.distance / (2 * rates);
  bound.noise_term = squares / (2 * rates) + sum / 2;
  return bound;
}

Result<std::vector<double>> lr_bound_curve(std::span<const double> eta,
                                           const LrBoundSettings& settings, double gamma,
                                           std::span<const int64_t> after) {
  std::vector<double> values;
  values.reserve(after.size());
  for (const int64_t steps : after)
    values.push_back(
        BALLAST_TRY(lr_bound(eta.first(static_cast<size_t>(steps)), settings)).at(gamma));
  return values;
}

}  // namespace ballast
