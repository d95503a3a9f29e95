// Where a run stands, as far as the host knows it: the counters, the laws with their statistics,
// the data order with its skip ranges, the averages' counts. With the tensors of the Engine it is
// what a checkpoint or a snapshot keeps, so everything that the next step depends on stands here.
// No device; the data is read from shards. One thread.
#pragma once

#include <cstdint>
#include <memory>

#include "libcore/checkpoint/state.h"
#include "tools/pretrain/averages.h"
#include "tools/pretrain/batch_source.h"
#include "tools/pretrain/laws.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/step_work.h"

namespace ballast {

class RunState {
 public:
  // `environment`: what the bits of the run depend on besides its configuration, which must outlive
  // the state. Kind usage: the data, --max-epochs.
  static Result<std::unique_ptr<RunState>> make(const RunConfig& config, Json environment);

  const TrainState& counters() const { return counters_; }
  const BatchSource& data() const { return *data_; }
  Laws& laws() { return laws_; }
  const Laws& laws() const { return laws_; }
  WeightAverages& averages() { return averages_; }
  const Json& environment() const { return environment_; }
  // What is known only once the device has begun.
  void set_environment(const std::string& key, Json value) { environment_[key] = std::move(value); }

  // The step that comes: its number, its size, its learning rate.
  StepWork next_step() const;
  // The step consumed its batch; counts its update if it was applied.
  void advance(const StepWork& work);
  // The step that advanced last has not been. Only for one whose update was not applied.
  void step_back(const StepWork& work);

  void begin_segment(int64_t segment) { counters_.segment = segment; }
  void add_skip_ranges(const std::vector<SkipRange>& ranges);
  // Puts the settings of a recovery in force, without a word.
  Result<void> intervene(const Interventions& after);
  // Goes on from another run's checkpoint: that run's journal and what it waited for stay with it.
  void begin_branch();

  // The counters with the states of all laws, for state.json; and back. What a change of the
  // configuration has replaced begins anew.
  const TrainState& collect();
  Result<void> adopt(TrainState state);

 private:
  RunState(const RunConfig& config, Json environment, Laws laws);

  const RunConfig& config_;
  Json environment_;
  TrainState counters_;
  Laws laws_;
  std::unique_ptr<BatchSource> data_;
  WeightAverages averages_;
};

}  // namespace ballast
