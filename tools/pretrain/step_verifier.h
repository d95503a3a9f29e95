// A suspicious step is computed a second time from the same weights and the same batch, before its
// update: other bits are the hardware's, the same bits are the data's or the optimisation's. Every
// N steps of --check-replicas a step that looks well is computed twice too, and the ranks compare
// their weights. Collective. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tools/pretrain/engine.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/step_work.h"

namespace ballast {

class StepVerifier {
 public:
  // All must outlive the verifier.
  StepVerifier(World& world, const RunConfig& config, Engine& engine, RunState& state, RunLog& log);

  // `compute_again` computes gradient, losses and norm of the step into its argument. Sets `rerun`
  // when it was asked, and `hardware` when the machine is suspected: then the step has not been.
  Result<void> verify(StepWork& work, const std::function<void(StepWork&)>& compute_again);

 private:
  Result<void> compare_weights(StepWork& work);
  Result<void> compare_passes(StepWork& work, const std::function<void(StepWork&)>& compute_again);
  Result<void> suspect(StepWork& work, const std::string& what, const std::vector<int64_t>& ranks,
                       const Json& details);

  World& world_;
  const RunConfig& config_;
  Engine& engine_;
  RunState& state_;
  RunLog& log_;
};

}  // namespace ballast
