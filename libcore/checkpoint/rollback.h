// Going back to an earlier checkpoint, by an operator (`ckpt rollback`) or by the guard. The
// journal record is the commit point and is written first; moving the later checkpoints to
// RUN/abandoned/seg-K/ and repointing `latest` can be repeated after a crash, and plan_resume()
// does so. The caller holds the run's lease.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/journal.h"
#include "libcore/io/file_system.h"

namespace ballast {

struct RollbackPlan {
  CheckpointRef parent;
  int64_t parent_segment = 0;
  int64_t segment = 0;              // the new one
  int64_t abandoned = 0;            // segment that is left behind
  std::vector<std::string> moves;   // step-* directories of RUN/ckpt, ascending
  std::vector<SkipRange> skip;      // to add
  std::vector<SkipRange> skip_all;  // of the parent's state, with `skip` added
};

// The newest complete checkpoint with step <= at_most becomes the parent; kind insufficient when
// there is none (naming the oldest). Reads only.
Result<RollbackPlan> plan_rollback(FileSystem& fs, const std::string& run, int64_t at_most,
                                   const std::vector<SkipRange>& skip);

// Writes the journal record ("rollback", with `reason` and the keys of `details`), then does the
// moves. `details` may name incident, onset, margin, by.
Result<void> execute_rollback(FileSystem& fs, const std::string& run, const RollbackPlan& plan,
                              const std::string& reason, const Json& details = Json::object());

// Repeats what may be left to do of a pending rollback. Idempotent.
Result<void> finish_rollback(FileSystem& fs, const std::string& run,
                             const PendingRollback& rollback);

// Going back to a state that the process holds in memory: the journal line ("restore", with `step`,
// `segment`, `abandoned`, `skip`, `reason` and `details`) is the commit point, then checkpoints
// later than the state move as those of a rollback do.
struct RestorePlan {
  int64_t step = 0;       // of the state
  int64_t segment = 0;    // the new one
  int64_t abandoned = 0;  // that is left behind
  std::vector<SkipRange> skip;
};
Result<void> execute_restore(FileSystem& fs, const std::string& run, const RestorePlan& plan,
                             const std::string& reason, const Json& details = Json::object());

// Where `pretrain --resume auto` goes on. Removes leftovers, finishes a pending rollback or
// restore, and picks the newest complete checkpoint (of a pending rollback: its parent).
struct ResumePlan {
  std::optional<CheckpointRef> checkpoint;  // nullopt: nothing to resume, start anew
  int64_t segment = 0;                      // number of the segment that starts now
  std::vector<SkipRange> add_skip;          // to add to the loaded state's skip_ranges
  std::optional<PendingRollback> rollback;
  std::vector<std::string> cleaned;  // names of leftovers that were removed
};
// The caller appends a `start` or `resume` record with "segment" before it publishes a checkpoint;
// that record ends the pending rollback.
Result<ResumePlan> plan_resume(FileSystem& fs, const std::string& run);

}  // namespace ballast
