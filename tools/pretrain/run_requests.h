// Why the run should save or stop (control.h), of all ranks: each asks for itself, and what they
// heard travels with a collective that they take part in anyway, so that all end at the same step.
// The strongest cause counts. Also whether a checkpoint is due by time, which the leader's clock
// decides. One thread.
#pragma once

#include <cstdint>
#include <span>

#include "tools/pretrain/control.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/run_log.h"
#include "tools/pretrain/world.h"

namespace ballast {

class RunRequests {
 public:
  // All must outlive the object.
  RunRequests(World& world, const RunConfig& config, const RunClock& clock, const RunLog& log);

  // Of several ranks: this rank's votes, all zero but its own cause; and their sum over ranks.
  static constexpr size_t kVotes = kCauses;
  void vote(std::span<double> votes);
  void count(std::span<const double> votes);
  // Likewise the leader's vote for a checkpoint by time.
  double time_vote() const;
  void count_time(double votes) { save_due_ = votes > 0; }

  // What all ranks have heard since the last call, between two steps.
  ControlRequest take();
  // An evaluation should end here: alone a signal of this moment, else what was agreed on.
  bool cuts_evaluation() const;
  // After step `step`.
  bool checkpoint_due(int64_t step) const;

 private:
  ControlRequest poll();

  World& world_;
  const RunConfig& config_;
  const RunClock& clock_;
  const RunLog& log_;
  Control control_;
  ControlRequest agreed_;
  bool save_due_ = false;
};

}  // namespace ballast
