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
  int64_t onset = 0;  // first step that looks wrong
};

// `source` is a path or "-". Records with "abandoned": true are passed over.
Result<std::vector<RunTrouble>> read_incidents(FileSystem& fs, const std::string& source);
// Of the surviving line of RUN/trace.jsonl.
Result<std::vector<RunTrouble>> detect_incidents(FileSystem& fs, const std::string& run);

// "last", or the id of one.
Result<RunTrouble> choose_incident(const std::vector<RunTrouble>& incidents,
                                   const std::string& wanted);

// `text` is "A:B" (data index, half open) or "onset:+Nb": N batches from the first sample of step
// `onset` (-1: not known), passing over samples that `skipped` leaves out anyway.
Result<SkipRange> parse_skip(FileSystem& fs, const std::string& run, const std::string& text,
                             int64_t onset, const std::vector<SkipRange>& skipped);

}  // namespace ballast
