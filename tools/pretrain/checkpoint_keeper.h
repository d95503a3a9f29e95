// Writes and reads the checkpoints of a run: weights and states from the Engine, all else from the
// RunState. Sharded states are written by their owners, all else by the leader, which also decides
// what is kept; every rank reads what it owns. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "libcore/checkpoint/store.h"
#include "tools/pretrain/engine.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/run_state.h"

namespace ballast {

class CheckpointKeeper {
 public:
  // All must outlive the keeper.
  CheckpointKeeper(World& world, const RunConfig& config, Engine& engine, RunState& state,
                   RunLog& log, RunClock& clock);

  // Of the present step, of all ranks; then what --keep does not ask for goes.
  Result<void> save(const std::string& why);
  // As save(), unless the present step has a checkpoint.
  Result<void> save_once(const std::string& why);
  // Weights, optimizer states, counters and laws. `admit` sees the stored state before anything is
  // changed and may refuse it. The hash of the checkpoint's manifest.
  Result<std::string> load(const std::string& path,
                           const std::function<Result<void>(const TrainState&)>& admit);
  // What was saved of the present step belongs to a branch that was left.
  void forget_last() { last_saved_step_ = -1; }

 private:
  Result<SavedCheckpoint> write();
  Result<SavedCheckpoint> write_alone();
  Result<SavedCheckpoint> write_shards();
  Result<SavedCheckpoint> publish_shards(const std::string& directory, const FlatState& flat,
                                         const FileRecord& own, const SaveOptions& options);
  Result<SaveOptions> prepare();
  Result<void> retain();
  Result<LoadedCheckpoint> load_tensors(const std::string& path);
  void warn_of_other_bits(const Json& there) const;

  World& world_;
  FileSystem& fs_;
  const RunConfig& config_;
  Engine& engine_;
  RunState& state_;
  RunLog& log_;
  RunClock& clock_;
  int64_t last_saved_step_ = -1;
};

}  // namespace ballast
