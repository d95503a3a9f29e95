// Carries out faults on purpose (libcore/guard/injection.h) where the passes of a step ask for
// them. What fires is in the journal before it has an effect, so a killed run does not see the same
// fault twice. One thread.
#pragma once

#include <vector>

#include "libcore/data/batch.h"
#include "tools/pretrain/engine.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/step_work.h"

namespace ballast {

class FaultInjector {
 public:
  // All must outlive the injector.
  FaultInjector(World& world, const RunConfig& config, Engine& engine, RunLog& log);

  // What the journal knows and checkpoints do not: faults that have fired.
  Result<void> restore();
  // The faults of this step; what they do to its batch and its update is done here.
  Result<void> fire(StepWork& work, HostBatch& batch);
  // What they do to one rank's own gradient before the ranks' are added: to its first element,
  // which is the last to be sent. `again`: the step is computed a second time.
  void corrupt_own(const StepWork& work, bool again);
  // And to the sum.
  void corrupt_sum(const StepWork& work);

 private:
  Result<void> feed_rare(StepWork& work, HostBatch& batch);

  World& world_;
  const RunConfig& config_;
  Engine& engine_;
  RunLog& log_;
  std::vector<Fault> faults_;
};

}  // namespace ballast
