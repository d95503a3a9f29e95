// Every parameter of the Detector and the Classifier as an option: one table of names, ranges and
// meanings. The Detector's options bear its name ("--detector-window"); the defaults are those of
// the guard.
#pragma once

#include "libcore/base/result.h"
#include "libcore/cli/tool.h"
#include "libcore/guard/incidents.h"

namespace ballast {

void add_spike_settings(CLI::App& app, IncidentSettings& settings);
// Usage error naming the option and its range.
Result<void> check_spike_settings(IncidentSettings settings);

}  // namespace ballast
