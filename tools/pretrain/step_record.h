// The trace's record of a step, from what the step found, where the run stands after it, and where
// its time went. Pure.
#pragma once

#include "libcore/trace/record.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/run_state.h"
#include "tools/pretrain/step_work.h"

namespace ballast {

// `state`: after the step. `saving_seconds`: since the record before. Without segment, time and the
// norms of the update, which a device may still compute.
StepRecord make_step_record(const StepWork& work, const RunState& state, const RunConfig& config,
                            const RunClock& clock, double saving_seconds, int ranks);
void add_norms(StepRecord& record, const UpdateNorms& norms);

}  // namespace ballast
