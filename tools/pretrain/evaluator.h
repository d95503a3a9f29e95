// Held-out loss during training, up to --val-tokens, in the same micro-batches whatever the number
// of ranks, which take them in turn; of the weights and of their averages. A signal cuts it short,
// and the next start of the run makes it again. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/pretrain/engine.h"
#include "tools/pretrain/held_out.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/run_requests.h"

namespace ballast {

class Evaluator {
 public:
  // All must outlive the evaluator.
  Evaluator(World& world, const RunConfig& config, Engine& engine, RunState& state,
            RunRequests& requests, RunLog& log);

  bool due(int64_t step) const;
  // By the leader: a stop that came during an evaluation left a checkpoint for which one is due,
  // and no record of it.
  Result<bool> missing(int64_t step) const;
  // Collective.
  Result<void> evaluate();
  bool cut_short() const { return cut_short_; }                   // the last one
  std::optional<double> last_loss() const { return last_loss_; }  // of the weights

 private:
  Result<void> evaluate_weights(const std::string& set, bool plain);
  Result<void> evaluate_average(const std::string& set, const Tensor& average, int64_t samples);
  Result<bool> share(Result<void> read, std::vector<WindowSum>& sums);

  World& world_;
  const RunConfig& config_;
  Engine& engine_;
  RunState& state_;
  RunRequests& requests_;
  RunLog& log_;
  bool cut_short_ = false;
  std::optional<double> last_loss_;
};

}  // namespace ballast
