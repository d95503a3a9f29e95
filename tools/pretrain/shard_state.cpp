#include "tools/pretrain/shard_state.h"

#include <algorithm>
#include <new>

#include "tools/pretrain/flat_copy.h"

namespace ballast {

std::vector<ShardPiece> make_shard(const ShardLayout& layout,
                                   const std::vector<OptimizerRange>& ranges) {
  std::vector<ShardPiece> pieces;
  for (const FlatRange& run : layout.owned.runs())
    pieces.push_back({run, layout.weights.offset(run), layout.gradients.offset(run),
                      layout.states.offset(run), ranges_within(ranges, run)});
  return pieces;
}

std::vector<OptimizerRange> ranges_of(const OptimizerConfig& optimizer, const ParamTable& table) {
  const bool stable = optimizer.kind == OptimizerKind::stable_adamw;
  return stable ? ratio_ranges(table) : table.optimizer_ranges();
}

OptimizerStep step_of_piece(const OptimizerStep& whole, const ShardPiece& piece) {
  const int64_t n = piece.range.size();
  OptimizerStep step = whole;
  step.param = cols_of(step.param, piece.weight, n);
  step.grad = cols_of(step.grad, piece.gradient, n);
  for (Tensor* state : {&step.m, &step.v, &step.m2})
    if (!state->empty()) *state = cols_of(*state, piece.state, n);
  step.ranges = piece.ranges;
  step.flat_begin = piece.range.begin;
  step.block_sums = rows_of(step.block_sums, piece.range.begin / kFlatBlock, n / kFlatBlock);
  return step;
}

float* HostState::make() {
  arrays_.emplace_back(
      static_cast<float*>(std::calloc(static_cast<size_t>(flat_size_), sizeof(float))));
  if (arrays_.back() == nullptr) throw std::bad_alloc();
  return arrays_.back().get();
}

namespace {

// Runs of a buffer and their places in host memory.
template <class Copy>
void for_runs(const FlatRuns& runs, const Tensor& buffer, float* host, const Copy& copy) {
  for (const FlatRange& run : runs.runs()) copy(runs.part(buffer, run), host + run.begin);
}

}  // namespace

FlatState HostState::take(Backend& backend, const TrainBuffers& buffers, bool weights,
                          const std::function<void(float*)>& collect) {
  FlatState flat;
  if (weights) flat.master = weights_ = make();
  collect(weights_);
  for (const StateBuffer& state : kStates) {
    const Tensor& device = buffers.*state.device;
    if (device.empty()) continue;
    float* host = make();
    for (const FlatRange& run : layout_.owned.runs())
      flat_to_host(backend, (layout_.*state.runs).part(device, run), host + run.begin);
    flat.*state.saved = host;
  }
  return flat;
}

MutableFlatState HostState::prepare(const TrainBuffers& buffers) {
  MutableFlatState flat;
  flat.master = weights_ = make();
  flat.keep = &layout_.states.runs();
  flat.keep_weights = &layout_.weights.runs();
  for (const StateBuffer& state : kStates) {
    if ((buffers.*state.device).empty()) continue;
    flat.*state.loaded = states_[&state] = make();
  }
  return flat;
}

void HostState::give(Backend& backend, const TrainBuffers& buffers) {
  const auto in = [&](const Tensor& part, const float* host) {
    flat_to_device(backend, part, host);
  };
  for_runs(layout_.weights, buffers.params, weights_, in);
  for (const auto& [state, host] : states_)
    for_runs(layout_.*(state->runs), buffers.*(state->device), host, in);
}

}  // namespace ballast
