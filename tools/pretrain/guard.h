// What happens when the laws report an incident: the guard says what it saw, asks the ladder and
// carries the answer out. Every answer is in the journal before it has an effect, so that a run
// that is killed meanwhile goes on as decided. It also keeps the snapshots that short ways back
// need. All ranks answer alike. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/pretrain/checkpoint_keeper.h"
#include "tools/pretrain/engine.h"
#include "tools/pretrain/fork_queue.h"
#include "tools/pretrain/layer_recorder.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/run_state.h"
#include "tools/pretrain/snapshots.h"
#include "tools/pretrain/step_work.h"
#include "tools/pretrain/way_back.h"

namespace ballast {

enum class Answer : uint8_t {
  none,       // the run goes on
  elsewhere,  // it goes on from another state
  stop,       // the ladder is exhausted
};

class Guard {
 public:
  // All must outlive the guard.
  Guard(World& world, const RunConfig& config, Engine& engine, RunState& state, RunLog& log,
        LayerRecorder& layers, CheckpointKeeper& keeper, ForkQueue& forks, const RunClock& clock);

  // After every step.
  Result<Answer> answer(const StepWork& work);
  // Between two steps, once the step is part of the line.
  void keep_snapshot();

 private:
  Result<std::optional<Alarm>> raise_alarm(const StepWork& work);
  Result<void> report(const StepWork& work, bool onset);
  Alarm make_alarm(const StepWork& work) const;
  std::optional<Alarm> end_wait(const StepWork& work);
  Rung ask_ladder(const StepWork& work, const Alarm& alarm);
  Result<void> begin_wait(const Alarm& alarm, const Rung& rung);
  Result<void> repeat_step(const StepWork& work);
  std::optional<size_t> source_to_drop() const;
  Interventions interventions_after(const Rung& rung, int64_t fork) const;
  Result<void> go_back(const Alarm& alarm, const Rung& rung);
  Result<Json> move_back(const Alarm& alarm, const Rung& rung);
  Result<WayBack> way_back(const Alarm& alarm, const Rung& rung) const;
  Result<void> announce(const WayBack& way, const Rung& rung, const std::string& reason);
  Result<Json> commit(const WayBack& way, const std::vector<SkipRange>& skip,
                      const std::string& reason, const Json& details);
  Result<std::string> load_state(const Json& plan);

  World& world_;
  FileSystem& fs_;
  const RunConfig& config_;
  Engine& engine_;
  RunState& state_;
  RunLog& log_;
  LayerRecorder& layers_;
  CheckpointKeeper& keeper_;
  ForkQueue& forks_;
  const RunClock& clock_;
  SnapshotRing snapshots_;
  std::vector<double> source_loss_;  // of the last step
};

}  // namespace ballast
