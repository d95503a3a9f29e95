// One run from its start to its end, as an orchestration of its parts: step() is the list of passes
// of a step, run() the loop around it, begin() how a run starts, resumes or branches. The laws
// decide on the host in double at the one place where loss and norm have arrived, and the optimizer
// is then launched with a factor and an apply flag. Several ranks run the same loop on contiguous
// shares of each batch; all laws see globally reduced values, so all ranks decide alike. One
// thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/checkpoint/lease.h"
#include "libcore/cli/exit_code.h"
#include "tools/pretrain/changes.h"
#include "tools/pretrain/checkpoint_keeper.h"
#include "tools/pretrain/engine.h"
#include "tools/pretrain/evaluator.h"
#include "tools/pretrain/fault_injector.h"
#include "tools/pretrain/fork_queue.h"
#include "tools/pretrain/guard.h"
#include "tools/pretrain/layer_recorder.h"
#include "tools/pretrain/loss_meter.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/run_progress.h"
#include "tools/pretrain/run_requests.h"
#include "tools/pretrain/run_state.h"
#include "tools/pretrain/sharded_optimizer.h"
#include "tools/pretrain/start_plan.h"
#include "tools/pretrain/step_verifier.h"
#include "tools/pretrain/step_work.h"
#include "tools/pretrain/world.h"

namespace ballast {

struct RunResult {
  int exit_code = kExitDone;
  std::string reason;
  int64_t step = 0;
  std::optional<double> last_loss, validation_loss;  // of this start; absent: not computed
  bool trace_lost = false;                           // standard output did not take the whole trace
};

class Trainer {
 public:
  // All ranks of the world call it alike; world and configuration must outlive the trainer.
  static Result<std::unique_ptr<Trainer>> open(World& world, const RunConfig& config);
  Result<RunResult> run();

 private:
  Trainer(World& world, const RunConfig& config, std::unique_ptr<RunState> state);

  void rehearse_step();
  Result<void> share_product_choices();
  Result<void> begin();
  Result<void> take_run();
  Result<std::string> load(const StartPlan& plan, std::vector<LawChange>& changes);
  Result<std::string> load_branch();
  Result<void> start_log(const StartPlan& plan, const std::string& checkpoint);
  Result<void> continue_run(const StartPlan& plan, const std::vector<LawChange>& changes);
  Result<void> start_run(const std::string& checkpoint);

  Result<StepWork> step();
  Result<void> load_batch(StepWork& work);
  void compute(StepWork& work, bool again);
  void decide(StepWork& work);
  void update(StepWork& work);
  void advance(const StepWork& work);
  Result<void> record(const StepWork& work);

  Result<void> after_step();
  Result<bool> end_early(const StepWork& work, Answer answer, RunResult& result);
  Result<bool> serve_requests(RunResult& result);
  Result<void> finish(RunResult& result);

  World& world_;
  const RunConfig& config_;
  std::unique_ptr<RunState> state_;
  RunClock clock_;
  Engine engine_;
  ShardedOptimizer optimizer_;
  RunLog log_;
  LayerRecorder layers_;
  RunRequests requests_;
  LossMeter meter_;
  FaultInjector faults_;
  StepVerifier verifier_;
  CheckpointKeeper keeper_;
  ForkQueue forks_;
  Guard guard_;
  Evaluator evaluator_;
  RunProgress progress_;

  std::optional<Lease> lease_;                       // the leader's
  HostBatch batch_;                                  // this rank's share of the step
  bool finished_ = false, evaluation_owed_ = false;  // when the run was started
  std::optional<double> last_loss_;
};

}  // namespace ballast
