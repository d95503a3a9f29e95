// Where a run goes on when it is started: at a checkpoint, after a rollback that was only decided,
// or from nothing. Refuses a run that was damaged, that goes on from another step than --resume
// names, or that has died over and over without progress. By the leader, who holds the run's lease.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/data/skip_ranges.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

struct StartPlan {
  int64_t segment = 0;
  std::optional<int64_t> parent;  // absent: the segment that wrote the checkpoint
  std::string checkpoint;         // path; empty: there is none
  std::vector<SkipRange> skip;    // to be added to the checkpoint's
  bool resumes() const { return !checkpoint.empty(); }
};

// Kinds usage, corrupt, guard and io. Writes nothing but the journal's line of a guard that stops.
Result<StartPlan> plan_start(FileSystem& fs, const RunConfig& config);

// For the other ranks.
Json to_json(const StartPlan& plan);
StartPlan start_plan_of(const Json& json);

}  // namespace ballast
