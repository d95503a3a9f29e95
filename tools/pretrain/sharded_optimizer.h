// From the summed gradient to new weights: its norm, the update of what this rank owns, and the
// rest of the weights that stand here from their owners (ZeRO; without sharding a rank owns all).
// Sums by block of the flat index are their owner's and zero elsewhere, so that adding them over
// ranks is exact, and blocks are added in one order, so norms do not depend on the number of ranks.
// The host waits for none of it: norms are there after the next wait of its own, or when somebody
// asks. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/pretrain/engine.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/shard_state.h"
#include "tools/pretrain/step_work.h"

namespace ballast {

// What the laws have decided about an update.
struct UpdateOrder {
  int64_t number = 1;  // of the optimizer's step, from 1
  double lr = 0;
  double grad_factor = 1;    // the clipper's
  double update_factor = 1;  // a fault's
  bool apply = true;
};

class ShardedOptimizer {
 public:
  // All must outlive the optimizer.
  ShardedOptimizer(World& world, const RunConfig& config, Engine& engine, RunClock& clock);

  // What this rank updates.
  const std::vector<ShardPiece>& shard() const { return shard_; }
  // The summed gradient's norm: launched, then read once somebody has waited for the device.
  void launch_norm();
  double gradient_norm() const;
  // The sums of squares that it is made of, by block of the flat index.
  std::span<const double> gradient_squares() const { return norm_blocks_; }
  void update(const UpdateOrder& order);
  // Of the last update; waits for it if it has not run.
  UpdateNorms norms();

 private:
  bool shares() const { return config_.zero_stage(world_.size()) > 0; }
  void update_shard(OptimizerStep whole);
  void add_ratios(OptimizerStep& whole);
  void gather_weights();
  void zero_if_shared(const Tensor& sums);
  void add_over_ranks(const Tensor& sums);
  void launch_norms();
  double largest_ratio(std::span<const double> sums) const;

  World& world_;
  const RunConfig& config_;
  Engine& engine_;
  RunClock& clock_;
  Backend& backend_;
  Comm& comm_;
  const TrainBuffers& buffers_;
  std::vector<OptimizerRange> ranges_;                         // of the whole index
  std::vector<ShardPiece> shard_;                              // what this rank updates
  std::vector<double> norm_blocks_, block_sums_, ratio_sums_;  // host copies
  EventId updated_ = 0;                                        // the last two have arrived
};

}  // namespace ballast
