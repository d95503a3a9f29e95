// Events that a run brings about itself: borders of its batch schedule and data phases, changes
// that were made on purpose, settings of recoveries. They stand in the trace before they have an
// effect, which they have from the next step on; where they move levels for good, the statistics of
// clipper and detector begin anew.
#pragma once

#include <string>
#include <vector>

#include "tools/pretrain/changes.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/run_state.h"

namespace ballast {

Result<void> planned_event(RunLog& log, RunState& state, const std::string& name,
                           const std::string& reason, Json details);

// Borders between the step before and the next one, which takes `batch_tokens`.
Result<void> announce_borders(RunLog& log, RunState& state, const RunConfig& config,
                              int64_t batch_tokens);

// What --change has changed, in journal and trace.
Result<void> announce_changes(RunLog& log, RunState& state, const RunConfig& config,
                              const std::vector<LawChange>& changes);

// What a recovery has changed: `before` and `clip_before` were in force.
Result<void> announce_interventions(RunLog& log, RunState& state, const Interventions& before,
                                    const std::string& clip_before);

}  // namespace ballast
