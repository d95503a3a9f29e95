// The newest states of a run in host memory, for recoveries that need not go back as far as the
// last checkpoint. Nothing here survives the process: a run that was killed goes back to a
// checkpoint instead and computes the same line again (libcore/checkpoint/forks.h). One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "libcore/checkpoint/state.h"
#include "libcore/tensor/backend.h"

namespace ballast {

struct Snapshot {
  TrainState state;
  std::vector<std::vector<char>> tensors;  // in the order they were given
};

class SnapshotRing {
 public:
  static constexpr size_t kKept = 2;  // so that one is at least `every` steps old

  // every: steps between snapshots; 0: none are kept.
  explicit SnapshotRing(int64_t every = 0) : every_(every) {}
  bool due(int64_t step) const { return every_ > 0 && step % every_ == 0; }
  void take(Backend& backend, const TrainState& state, const std::vector<Tensor>& tensors);
  // Step of the newest one at or below `step`; -1: there is none.
  int64_t newest(int64_t step) const;
  // Copies that snapshot's tensors back; its state. The step is one that newest() gave.
  const TrainState& restore(Backend& backend, int64_t step, const std::vector<Tensor>& tensors);
  // What lies after `step` belongs to a line that was left.
  void forget_after(int64_t step);

 private:
  int64_t every_;
  std::deque<Snapshot> kept_;  // ascending
};

}  // namespace ballast
