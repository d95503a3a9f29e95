#include "tools/pretrain/sharded_optimizer.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace ballast {
ShardedOptimizer::ShardedOptimizer(World& world, const RunConfig& config, Engine& engine,
                                   RunClock& clock)
    : world_(world),
      config_(config),
      engine_(engine),
      clock_(clock),
      backend_(world.backend()),
      comm_(world.comm()),
      buffers_(engine.buffers()),
      ranges_(ranges_of(config.optimizer, engine.table())),
      shard_(make_shard(engine.layout(), ranges_)),
      norm_blocks_(static_cast<size_t>(buffers_.norm_blocks.elements())),
      block_sums_(static_cast<size_t>(buffers_.block_sums.elements())),
      ratio_sums_(static_cast<size_t>(buffers_.ratio_sums.elements())) {}

void ShardedOptimizer::zero_if_shared(const Tensor& sums) {
  if (shares()) backend_.zero(sums.data, sums.elements() * 8);
}

void ShardedOptimizer::add_over_ranks(const Tensor& sums) {
  if (!shares()) return;
  const RunClock::Scope waiting = clock_.waiting();
  comm_.join(comm_.all_reduce(sums, ReduceOp::sum, backend_.record(StreamId::compute)));
}

void ShardedOptimizer::launch_norm() {
  const Tensor& blocks = buffers_.norm_blocks;
  zero_if_shared(blocks);
  for (const ShardPiece& piece : shard_) {
    const FlatRange& range = piece.range;
    backend_.norm_blocks(cols_of(blocks, range.begin / kFlatBlock, range.size() / kFlatBlock),
                         cols_of(buffers_.grads, piece.gradient, range.size()));
  }
  add_over_ranks(blocks);
  backend_.copy_out(norm_blocks_.data(), blocks.data, blocks.cols * 8, StreamId::compute);
}

double ShardedOptimizer::gradient_norm() const { return std::sqrt(sum_pairwise(norm_blocks_)); }

void ShardedOptimizer::update(const UpdateOrder& order) {
  OptimizerStep step = config_.optimizer.at(order.number);
  step.grad = buffers_.grads;
  step.m = buffers_.m;
  step.v = buffers_.v;
  step.m2 = buffers_.m2;
  step.lr = order.lr;
  step.grad_factor = order.grad_factor;
  step.update_factor = order.update_factor;
  step.apply = order.apply;
  step.rounding_seed = static_cast<uint64_t>(config_.seed);
  step.block_sums = buffers_.block_sums;
  update_shard(step);
  if (order.apply) engine_.model().after_update();
  launch_norms();
}

void ShardedOptimizer::update_shard(OptimizerStep whole) {
  if (config_.optimizer.kind == OptimizerKind::stable_adamw) add_ratios(whole);
  zero_if_shared(buffers_.block_sums);
  for (const ShardPiece& piece : shard_)
    backend_.optimizer_step(step_of_piece(whole, piece, buffers_.weights));
  add_over_ranks(buffers_.block_sums);
  if (shares() && whole.apply) gather_weights();
}

// stable_adamw limits the update of a parameter by the ratio g^2 / v over the whole of it.
void ShardedOptimizer::add_ratios(OptimizerStep& whole) {
  zero_if_shared(buffers_.ratio_sums);
  for (const ShardPiece& piece : shard_)
    backend_.update_ratio(buffers_.ratio_sums, step_of_piece(whole, piece, buffers_.weights));
  add_over_ranks(buffers_.ratio_sums);
  whole.ratio_sums = buffers_.ratio_sums;
}

void ShardedOptimizer::gather_weights() {
  const RunClock::Scope waiting = clock_.waiting();
  const bool by_pass = engine_.passes_are_collective();
  const auto& buckets = engine_.cut().buckets();
  EventId last = 0;
  for (const FlatBucket& bucket : buckets) {
    if (by_pass && &bucket != &buckets.back()) continue;
    last = comm_.gather_parts(buffers_.weights.at(bucket.range), bucket.borders,
                              backend_.record(StreamId::compute));
  }
  comm_.join(last);
}

void ShardedOptimizer::launch_norms() {
  const auto copy = [&](std::vector<double>& host, const Tensor& sums) {
    if (!host.empty())
      backend_.copy_out(host.data(), sums.data, std::ssize(host) * 8, StreamId::compute);
  };
  copy(block_sums_, buffers_.block_sums);
  copy(ratio_sums_, buffers_.ratio_sums);
  updated_ = backend_.record(StreamId::compute);
}

UpdateNorms ShardedOptimizer::norms() {
  backend_.synchronize(updated_);
  std::vector<double> column(block_sums_.size() / 3);
  const auto norm = [&](size_t k) {
    for (size_t i = 0; i < column.size(); ++i) column[i] = block_sums_[i * 3 + k];
    return std::sqrt(sum_pairwise(column));
  };
  UpdateNorms found = {norm(0), norm(1), norm(2), std::nullopt};
  if (!ratio_sums_.empty()) found.rms = largest_ratio(ratio_sums_);
  return found;
}

// R of a tensor is over all ranges that it is cut into.
double ShardedOptimizer::largest_ratio(std::span<const double> sums) const {
  double largest = 0;
  for (const OptimizerRange& range : ranges_) {
    const OptimizerRange::Ratio& of = range.ratio;
    if (of.entry != of.tensor_begin) continue;
    double sum = 0;
    for (int64_t i = of.tensor_begin; i < of.tensor_end; ++i) sum += sums[static_cast<size_t>(i)];
    largest = std::max(largest, std::sqrt(sum / static_cast<double>(of.tensor_elements)));
  }
  return largest;
}

}  // namespace ballast
