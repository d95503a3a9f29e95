// Takes the forks of the journal that lie ahead (libcore/checkpoint/forks.h): skip ranges,
// interventions and the ladder change at the step that the journal names, whichever older state the
// way to it began at. One thread.
#pragma once

#include <deque>

#include "libcore/checkpoint/forks.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/run_state.h"

namespace ballast {

class ForkQueue {
 public:
  // All must outlive the queue.
  ForkQueue(World& world, RunState& state, RunLog& log);

  // After the run has gone to another state: the leader reads what lies ahead. Collective.
  Result<void> look_ahead();
  // Between two steps: those whose step has come.
  Result<void> take_due();

 private:
  Result<void> take(const Fork& fork);

  World& world_;
  RunState& state_;
  RunLog& log_;
  std::deque<Fork> ahead_;
};

}  // namespace ballast
