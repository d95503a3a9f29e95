// The step loop of one run. step() is a list of passes; the laws (clipper, detector, schedule,
// ladder) decide on the host in double at the one place where loss and norm have arrived, and the
// optimizer is then launched with a factor and an apply flag. Several ranks run the same loop on
// contiguous shares of each batch; all laws see globally reduced values, so all ranks decide alike.
// One thread drives it.
//   trainer.cpp     opening, resuming, the loop around step()
//   step.cpp        the passes
//   records.cpp     what a step leaves in the trace
//   faults.cpp      faults on purpose
//   verify.cpp      computing a suspicious step twice
//   recovery.cpp    what the guard does
//   forks.cpp       the settings that recoveries change, and when
//   evaluation.cpp  held-out loss
//   branch.cpp      beginning at another run's checkpoint, interventions, planned events
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/checkpoint/forks.h"
#include "libcore/checkpoint/lease.h"
#include "libcore/checkpoint/rollback.h"
#include "libcore/checkpoint/store.h"
#include "libcore/cli/terminal.h"
#include "libcore/cli/tool.h"
#include "libcore/guard/detector.h"
#include "libcore/model/model.h"
#include "libcore/tensor/comm.h"
#include "libcore/trace/writer.h"
#include "tools/pretrain/batch_source.h"
#include "tools/pretrain/buffers.h"
#include "tools/pretrain/changes.h"
#include "tools/pretrain/control.h"
#include "tools/pretrain/gradient_sum.h"
#include "tools/pretrain/guard_memory.h"
#include "tools/pretrain/held_out.h"
#include "tools/pretrain/layer_stats.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/shard_state.h"
#include "tools/pretrain/snapshots.h"
#include "tools/pretrain/world.h"

namespace ballast {

// What a step found and decided; becomes its record in the trace.
struct StepWork {
  int64_t step = 0;
  int64_t batch_tokens = 0, batch_samples = 0;
  int64_t valid = 0;  // unmasked labels of all ranks
  double loss = 0;    // mean over them
  double z_loss = 0;
  double loss_max_rank = 0;  // several ranks: the largest mean of one of them
  double grad_norm = 0;      // before clipping
  double lr = 0;
  double update_factor = 1;
  ClipDecision clip;
  Verdict verdict;
  bool apply = true;
  std::string skip_reason;
  std::vector<Fault> faults;  // that fired in it
  std::string rerun;          // what computing it twice showed; empty: it was not
  std::string hardware;       // what is suspected of the machine; empty: nothing
  Json layers;                // statistics by layer; null: not taken
  double data_seconds = 0;    // reading the batch
  double param_norm = 0, update_norm = 0, v_norm = 0;
};

// A `layers` record that may still be written.
struct KeptLayers {
  int64_t segment = 0, step = 0, time_us = 0;
  Json values;
  bool written = false;
};

// Where a recovery begins: a state to load, and the step after which the line is a new one.
struct WayBack {
  int64_t fork = 0;
  int64_t state = 0;  // its step, at or before the fork
  bool in_memory = false;
};

struct RunResult {
  int exit_code = kExitDone;
  std::string reason;
  int64_t step = 0;
  std::optional<double> last_loss, validation_loss;  // of this start; absent: not computed
  bool trace_lost = false;                           // standard output did not take the whole trace
};

// Replaces a file of the run directory whole.
Result<void> write_run_text(FileSystem& fs, const std::string& path, const std::string& text);

class Trainer {
 public:
  // All ranks of the world call it alike; the world must outlive the trainer.
  static Result<std::unique_ptr<Trainer>> open(World& world, RunConfig config,
                                               const CommonOptions& common);
  Result<RunResult> run();

 private:
  Trainer(World& world, RunConfig config, const CommonOptions& common);

  // trainer.cpp
  Result<void> allocate();
  Result<void> begin();
  Result<Json> take_run();
  Result<void> refuse_damaged_run() const;
  Result<void> start_fresh();
  Result<void> load(const CheckpointRef& ref);
  Result<void> restore_faults();
  Result<void> check_progress(int64_t step);
  void collect_state();
  Result<void> adopt_state(TrainState state);
  Result<LoadedCheckpoint> load_tensors(const CheckpointRef& ref);
  Result<void> adopt(LoadedCheckpoint loaded);
  Result<void> start_segment(int64_t segment, bool has_parent, int64_t parent, int64_t parent_step);
  Result<void> save(const std::string& why);
  Result<SavedCheckpoint> write_checkpoint();
  Result<SavedCheckpoint> write_alone();
  Result<SavedCheckpoint> write_shards();
  Result<SaveOptions> prepare_save();
  Result<void> retain();
  Json environment() const;
  void warn_of_other_bits(const Json& there) const;
  bool checkpoint_due() const;
  ControlRequest poll();
  Result<bool> serve_requests(RunResult& result);
  void show_progress(const StepWork& work);
  Result<void> event(int64_t step, const std::string& name, const std::string& reason,
                     Json details = {});

  // branch.cpp
  Result<void> start_branch();
  Result<void> record_branch();
  Result<void> check_law(const TrainState& stored);
  Result<void> record_changes();
  Result<void> planned_events(const StepWork& work);

  // step.cpp
  Result<StepWork> step();
  Result<void> load_batch(StepWork& work);
  void forward_backward(const StepWork& work, bool again);
  void measure(StepWork& work);
  void sum_sequences();
  void add_by_source(std::span<double> sums) const;
  void judge(StepWork& work);
  void measure_gradients();
  void decide(StepWork& work);
  void update(StepWork& work);
  void update_shard(OptimizerStep whole);
  void advance(const StepWork& work);
  void upload(const HostBatch& batch, int64_t micro, int64_t valid);
  void reduce_losses(StepWork& work);

  // records.cpp
  Result<void> record(const StepWork& work);
  void record_times(const StepWork& work, StepRecord& r);
  double seconds_after(int64_t step) const;
  Result<Json> worst_sequences();
  bool layers_due(int64_t step) const;
  void take_layers(StepWork& work);
  Result<void> keep_layers(const StepWork& work);
  Result<void> write_layers(KeptLayers& kept);
  Result<void> write_kept_layers();

  // faults.cpp
  Result<void> fire_faults(StepWork& work);
  Result<void> feed_rare_batch(StepWork& work);
  void corrupt_own_gradient(const StepWork& work, bool again);
  void corrupt_sum(const StepWork& work);

  // verify.cpp
  Result<void> verify(StepWork& work);
  Result<void> compare_weights(StepWork& work);
  Result<void> suspect_hardware(StepWork& work, const std::string& what,
                                const std::vector<int64_t>& ranks, Json details);
  Result<void> stop_on_hardware(const StepWork& work, RunResult& result);

  // recovery.cpp: true when the run continues from another place.
  Result<bool> answer_incident(const StepWork& work, RunResult& result);
  Result<std::optional<Alarm>> raise_alarm(const StepWork& work);
  bool waits_for_jump() const {
    return memory_.wait.active() && memory_.wait.alarm().kind == IncidentKind::jump;
  }
  std::optional<Alarm> end_wait(const StepWork& work);
  Result<void> begin_wait(const Alarm& alarm, const Rung& rung);
  Result<bool> repeat_step(const StepWork& work);
  Result<WayBack> way_back(const Alarm& alarm, const Rung& rung) const;
  SkipRange suspicious_samples(const Alarm& alarm, int64_t batches, int64_t fork) const;
  std::optional<size_t> suspicious_source() const;
  bool is_dropped(const std::string& source) const;
  Interventions interventions_after(const Rung& rung, int64_t fork) const;
  Result<bool> go_back(const Alarm& alarm, const Rung& rung);
  Result<Json> move_back(const Alarm& alarm, const Rung& rung);
  Result<Json> commit(const WayBack& way, const std::vector<SkipRange>& skip,
                      const std::string& reason, const Json& details);

  // forks.cpp
  Result<void> look_ahead();
  Result<int64_t> free_segment();
  Result<void> journal(const std::string& event, const Json& fields);
  Result<void> take_forks();
  Result<void> take(const Fork& fork);
  Result<void> intervene(const Interventions& after);
  Result<void> announce(const Interventions& before, const std::string& clip_before);
  Result<void> planned_event(const std::string& name, const std::string& reason, Json details);

  // evaluation.cpp
  Result<void> evaluate();
  Result<bool> evaluation_missing(int64_t step) const;
  Result<bool> share_evaluation(Result<void> read, std::vector<WindowSum>& sums);
  Result<void> evaluate_average(const std::string& name, const Tensor& average, int64_t samples);
  Result<void> evaluate_weights(const std::string& set, bool plain);

  World& world_;
  FileSystem& fs_;  // writes on the leading rank only
  RunConfig config_;
  const CommonOptions& common_;
  ParamTable table_;
  FlatCut cut_;
  Backend* backend_;
  Comm* comm_;
  std::unique_ptr<Arena> arena_;
  TrainBuffers buffers_;
  std::optional<GradientSum> gradient_sum_;
  std::vector<ShardPiece> shard_;  // what this rank updates
  std::unique_ptr<Model> model_;
  std::unique_ptr<BatchSource> batches_;
  std::unique_ptr<Clipper> clipper_;
  Detector detector_;
  Detector detector_before_;  // as it was when it judged the last step
  GuardMemory memory_;
  std::vector<Fork> forks_ahead_;
  SnapshotRing snapshots_;
  std::unique_ptr<LayerStats> layer_stats_;  // the leader's; null: not wanted
  std::deque<KeptLayers> layers_;
  std::deque<std::pair<int64_t, double>> step_times_;     // step and seconds, in computed order
  double comm_seconds_ = 0;                               // of this step
  double saving_seconds_ = 0;                             // since the last record
  bool evaluation_due_ = false, evaluation_cut_ = false;  // owed from before; cut by a signal
  std::vector<double> source_loss_;       // of the last step, by source; NaN: no labels of it
  std::vector<WindowSum> sequence_loss_;  // of this rank's sequences of the last step
  std::optional<Lease> lease_;            // the leader's
  std::unique_ptr<TraceWriter> trace_;
  std::unique_ptr<Control> control_;
  ProgressLine progress_;

  WeightAverages averages_;
  TrainState state_;
  std::vector<LawChange> changes_;  // of this start, until they are recorded
  HostBatch batch_;                 // this rank's share of the step
  ControlRequest request_;          // of several ranks: what they agreed on with the step's loss
  bool save_due_ = false;           // likewise
  std::vector<float> rows_;         // host copy of loss or lse rows
  std::vector<float> weights_;      // of a micro-batch
  std::vector<double> blocks_;      // host copy of norm blocks
  std::string manifest_hash_;       // of the checkpoint this segment began from
  int64_t last_saved_step_ = -1;
  bool finished_ = false;
  double save_seconds_ = 0;  // the longest save
  double step_seconds_ = 0;
  std::optional<double> last_loss_, validation_loss_;
  double average_step_seconds_ = 0;
  std::chrono::steady_clock::time_point step_start_, last_save_;
};

}  // namespace ballast
