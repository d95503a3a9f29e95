// The written account of an incident: every field a post-mortem asks for, filled from the trace;
// what the trace does not say is "not recorded", never guessed.
#pragma once

#include <string>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"

namespace ballast {

// `cause` says what the root cause may be.
std::string post_mortem(const RunHistory& history, const RunIncident& incident,
                        const std::string& cause);
// All of them, or one sentence when there was none.
std::string post_mortems(const RunHistory& history, const std::vector<RunIncident>& incidents);

}  // namespace ballast
