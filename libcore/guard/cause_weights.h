// The table of diagnosis.h, one function per cause. Internal to libcore/guard.
#pragma once

#include "libcore/guard/diagnosis.h"
#include "libcore/guard/incident_scene.h"

namespace ballast {

// Adds what the scene holds for and against `cause.cause`, and what was not recorded.
void weigh_cause(const IncidentScene& scene, WeighedCause& cause);

}  // namespace ballast
