// The table of diagnosis.h, one function per cause: each adds what the scene holds for and against
// it, and what was not recorded. Internal to libcore/guard. Pure.
#pragma once

#include "libcore/guard/diagnosis.h"
#include "libcore/guard/incident_scene.h"

namespace ballast {

void weigh_injected(const IncidentScene& scene, WeighedCause& cause);
void weigh_hardware(const IncidentScene& scene, WeighedCause& cause);
void weigh_planned_change(const IncidentScene& scene, WeighedCause& cause);
void weigh_rare_tokens(const IncidentScene& scene, WeighedCause& cause);
void weigh_stale_beta2(const IncidentScene& scene, WeighedCause& cause);
void weigh_learning_rate(const IncidentScene& scene, WeighedCause& cause);
void weigh_parameter_norm(const IncidentScene& scene, WeighedCause& cause);
void weigh_logit_growth(const IncidentScene& scene, WeighedCause& cause);
void weigh_data(const IncidentScene& scene, WeighedCause& cause);

// The one of `cause.cause`.
void weigh_cause(const IncidentScene& scene, WeighedCause& cause);

}  // namespace ballast
