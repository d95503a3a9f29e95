// Where a run is not simply continued: it begins at another run's checkpoint, its options were
// changed on purpose, or its plan has a border (batch size, data phase) before the next step. All
// of it is in the journal or the trace before it has an effect.
#include <fmt/format.h>

#include "tools/pretrain/trainer.h"

namespace ballast {

// Weights, moments, counters, and the laws' states where the laws are the same.
Result<void> Trainer::start_branch() {
  if (!config_.branch->checkpoint)
    return usage_error("the branch has lost all its checkpoints", config_.typed.run,
                       "begin it in another --run");
  const CheckpointRef& from = *config_.branch->checkpoint;
  const LoadedCheckpoint stored = BALLAST_TRY(load_checkpoint_state(fs_, from.path));
  BALLAST_TRY(check_branch(config_, stored.state));
  LoadedCheckpoint loaded = BALLAST_TRY(load_tensors(from));
  model_->prepare_weights();
  BALLAST_TRY(adopt(std::move(loaded)));
  state_.segment = 0;
  // The other run's journal and what it was waiting for stay with it.
  memory_.last_fork = 0;
  memory_.source_loss.clear();
  memory_.wait.end();
  config_.ladder = BALLAST_TRY(Ladder::parse(config_.typed.guard));
  return {};
}

Result<void> Trainer::record_branch() {
  const std::string& address = config_.branch->address;
  BALLAST_TRY(append_journal(fs_, config_.typed.run, "branch",
                             {{"address", address},
                              {"step", state_.step},
                              {"tokens", state_.tokens},
                              {"checkpoint", manifest_hash_}}));
  return event(state_.step, "branch", "begins at " + address, {{"checkpoint", manifest_hash_}});
}

Result<void> Trainer::check_law(const TrainState& stored) {
  const JournalContents journal = BALLAST_TRY(read_journal(fs_, config_.typed.run));
  changes_ = BALLAST_TRY(law_changes(config_, stored, journal));
  return {};
}

Result<void> Trainer::record_changes() {
  for (const LawChange& change : changes_) {
    BALLAST_TRY(append_journal(fs_, config_.typed.run, "change",
                               {{"step", state_.step},
                                {"key", change.key},
                                {"from", change.from},
                                {"to", change.to},
                                {"reason", config_.typed.reason}}));
    const std::string reason = config_.typed.reason.empty() ? "appended" : config_.typed.reason;
    const Json details = {{"key", change.key}, {"from", change.from}, {"to", change.to}};
    BALLAST_TRY(planned_event(change.event, reason, details));
  }
  if (!changes_.empty())
    BALLAST_TRY(write_run_text(fs_, join_path(config_.typed.run, "config.toml"), config_.toml()));
  changes_.clear();
  return {};
}

// Borders that lie between the step before and this one.
Result<void> Trainer::planned_events(const StepWork& work) {
  if (state_.step == 0) return {};
  const int64_t before = config_.batches.batch_at(config_.batches.tokens_before(state_.step - 1));
  if (before != work.batch_tokens)
    BALLAST_TRY(planned_event("batch_size", "the batch schedule has a border here",
                              {{"from", before}, {"to", work.batch_tokens}}));
  const DataOrder& order = batches_->order();
  if (order.phases() < 2) return {};
  const int64_t last = order.phase_index(batches_->sample_of(state_.samples - 1));
  const int64_t next = order.phase_index(batches_->sample_of(state_.samples));
  if (last == next) return {};
  return planned_event("phase", "a data phase begins here", {{"from", last}, {"to", next}});
}

}  // namespace ballast
