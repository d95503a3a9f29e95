// The choices of a recovery, without what carries them out: which state to go back to, which
// samples to pass over, which source of data to suspect. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libcore/guard/ladder.h"
#include "libcore/guard/wait.h"

namespace ballast {

// A state to load, and the step after which the line is a new one.
struct WayBack {
  int64_t fork = 0;
  int64_t state = 0;  // its step, at or before the fork where there is one
  bool in_memory = false;
};

// The step after which the line turns aside: before the onset by the rung's margin, and before the
// first warning.
int64_t fork_step(const Alarm& alarm, const Rung& rung);

// The newest state, on disk or in memory, that is old enough. With none that old the oldest
// checkpoint serves: a shorter way back beats none. `checkpoints`: steps of the complete ones,
// ascending; `snapshot`: the newest at or before the fork, -1: none.
WayBack choose_way_back(const Alarm& alarm, const Rung& rung, std::span<const int64_t> checkpoints,
                        int64_t snapshot);

// Steps [first, last) whose batches are passed over when `batches` of them are to be, after `fork`:
// counted back from the end of the onset's batch, because the gradient norm leads the loss by one
// to three steps. Never what is consumed at the fork, which no skip undoes. An earlier warning of
// the norm makes the range longer.
struct StepRange {
  int64_t begin = 0, end = 0;
};
StepRange suspicious_steps(const Alarm& alarm, int64_t batches, int64_t fork);

// Of the candidates the one whose loss stands furthest above its running mean; nothing when it is
// the only one. Losses may be NaN or not finite, and may be missing at the end.
std::optional<size_t> suspicious_source(const std::vector<bool>& candidates,
                                        std::span<const double> losses,
                                        std::span<const double> means);

}  // namespace ballast
