// From the loss rows that a pass leaves on the device to the step's losses, of all ranks. Rows are
// summed by part: a slot with --deterministic world, else a rank. Every rank fills in its own parts
// of one vector, so that adding vectors is exact and parts are then added in one order, whatever
// the number of ranks. What ranks have to agree on besides travels in the same vector. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/pretrain/engine.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/run_requests.h"
#include "tools/pretrain/run_state.h"
#include "tools/pretrain/step_work.h"

namespace ballast {

class LossMeter {
 public:
  // All must outlive the meter.
  LossMeter(World& world, const RunConfig& config, Engine& engine, const RunState& state,
            RunRequests& requests, RunClock& clock);
  // Of the pass that the device computes; waits for it. `valid`: unmasked labels of all ranks.
  // Collective.
  StepLosses measure(const HostBatch& batch, int64_t valid);

 private:
  // One vector of sums and its parts.
  struct Sums {
    Sums(size_t parts, size_t sources);
    std::vector<double> all;
    std::span<double> loss, lse, count;  // by part
    std::span<double> votes, time_vote;
    std::span<double> by_source;  // loss and count of labels, in pairs; empty with one source
  };
  void read();
  void add_own(const HostBatch& batch, StepLosses& losses, Sums& sums);
  void add_by_source(std::span<const WindowSum> sequences, std::span<double> sums) const;
  void exchange(Sums& sums);
  void finish(const Sums& sums, int64_t valid, StepLosses& losses) const;

  World& world_;
  const RunConfig& config_;
  Engine& engine_;
  const RunState& state_;
  RunRequests& requests_;
  RunClock& clock_;
  std::vector<float> rows_, lse_rows_;  // host copies
};

// Sums of loss and count of unmasked labels by sequence of `seq_len` rows.
std::vector<WindowSum> sum_sequences(std::span<const float> rows, std::span<const int32_t> labels,
                                     int64_t seq_len);

}  // namespace ballast
