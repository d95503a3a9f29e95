#include "libcore/guard/token_evidence.h"

#include <algorithm>
#include <cmath>

#include "libcore/guard/incident_facts.h"
#include "libcore/stats/robust.h"

namespace ballast {
namespace {

SurprisalTest test(const std::vector<BatchSurprisal>& incident,
                   const std::vector<BatchSurprisal>& before, double BatchSurprisal::*value) {
  std::vector<double> past;
  for (const BatchSurprisal& batch : before) past.push_back(batch.*value);
  const RobustLevel level = robust_level(past);
  const double scale = std::max(level.scale, 1e-3 * std::abs(level.center));
  SurprisalTest most;
  for (const BatchSurprisal& batch : incident) {
    const double z = scale > 0 ? (batch.*value - level.center) / scale : 0;
    if (most.step < 0 || z > most.z) most = {batch.step, batch.*value, level.center, z};
  }
  return most;
}

}  // namespace

TokenEvidence token_evidence(const std::vector<BatchSurprisal>& incident,
                             const std::vector<BatchSurprisal>& before) {
  if (incident.empty() || before.size() < facts::kFewest) return {};
  return {static_cast<int64_t>(before.size()), test(incident, before, &BatchSurprisal::mean),
          test(incident, before, &BatchSurprisal::highest)};
}

}  // namespace ballast
