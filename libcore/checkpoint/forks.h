// Where the guard turned a run aside: the journal's `rollback`, `restore` and `replay` lines that
// carry the guard's state. A fork at step S goes on from the state after S with other data, or
// other settings, or simply again. The way to S may begin at any older state, on disk or in host
// memory: whoever goes on from there computes up to S what the run computed before, then takes the
// fork, and so arrives at the same line, whatever was at hand to go back to. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/checkpoint/journal.h"

namespace ballast {

struct Fork {
  int64_t seq = 0;   // of its journal line
  int64_t step = 0;  // S
  std::vector<SkipRange> skip;
  Json ladder;         // of the guard, from S on
  Json interventions;  // null: none were in force when the line was written
};

// The forks that a run which goes on from a state after `step` has still to take, ascending by
// step; the last one it took is that of line `last_taken` (0: none). A line supersedes earlier ones
// at or after its own step. Kind corrupt.
Result<std::vector<Fork>> forks_ahead(const JournalContents& journal, int64_t step,
                                      int64_t last_taken);

Json to_json(const Fork& fork);
Result<Fork> fork_of(const Json& json);

// Lines at the journal's end that start the run from one and the same step: how often in a row a
// restart found no checkpoint newer than the last one did. Rollbacks, changes and stops of the
// guard begin the count anew.
int64_t restarts_without_progress(const JournalContents& journal);

}  // namespace ballast
