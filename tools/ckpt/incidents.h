// Where a run went wrong, and which samples were fed then, for `ckpt rollback`. Incidents come as
// JSON Lines (what `gradstat spikes --json` prints) or from the run's own trace, judged by the
// Detector with which the guard works. Errors: kind corrupt with the line, kind insufficient when
// there is no incident.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/checkpoint/state.h"
#include "libcore/io/file_system.h"

namespace ballast {

struct RunTrouble {
  std::string id;
  int64_t onset = 0;       // first step that looks wrong
  int64_t segment = -1;    // of the onset; -1: on the surviving line
  bool abandoned = false;  // on a branch that the run has left
};

// `source` is a path or "-".
Result<std::vector<RunTrouble>> read_incidents(FileSystem& fs, const std::string& source);
// Of the surviving line of RUN/trace.jsonl.
Result<std::vector<RunTrouble>> detect_incidents(FileSystem& fs, const std::string& run);

// The id of one, or "last": the one with the latest onset on the surviving line, and where there
// is none (the guard has gone back before each), on a branch that was left.
Result<RunTrouble> choose_incident(const std::vector<RunTrouble>& incidents,
                                   const std::string& wanted);

// `text` is "A:B" (data index, half open) or "onset:+Nb": N batches from the first sample of step
// the onset of `incident` (null: not known), passing over samples that `skipped` leaves out anyway.
Result<SkipRange> parse_skip(FileSystem& fs, const std::string& run, const std::string& text,
                             const RunTrouble* incident, const std::vector<SkipRange>& skipped);

}  // namespace ballast
