// The written account of an incident: every field a post-mortem asks for, filled from the trace;
// what the trace does not say is "not recorded", never guessed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"
#include "tools/gradstat/incident_tokens.h"

namespace ballast {

// `cause` says what the root cause may be, `tokens` what was in the batches.
std::string post_mortem(const RunHistory& history, const RunIncident& incident,
                        const std::string& cause, const std::optional<IncidentTokens>& tokens = {});
// All of them, or one sentence when there was none. `tokens`: as the incidents, or none.
std::string post_mortems(const RunHistory& history, const std::vector<RunIncident>& incidents,
                         const std::vector<std::optional<IncidentTokens>>& tokens = {});

}  // namespace ballast
