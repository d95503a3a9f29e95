#include "tools/pretrain/shard_state.h"

#include <algorithm>
#include <new>

#include "tools/pretrain/flat_copy.h"

namespace ballast {

std::vector<ShardPiece> make_shard(const ShardLayout& layout,
                                   const std::vector<OptimizerRange>& ranges) {
  std::vector<ShardPiece> pieces;
  for (const FlatRange& run : layout.cut_at_border(layout.owned))
    pieces.push_back({run, layout.gradients.offset(run), layout.states.offset(run),
                      layout.rounded(run), ranges_within(ranges, run)});
  return pieces;
}

std::vector<OptimizerRange> ranges_of(const OptimizerConfig& optimizer, const ParamTable& table) {
  const bool stable = optimizer.kind == OptimizerKind::stable_adamw;
  return stable ? ratio_ranges(table) : table.optimizer_ranges();
}

OptimizerStep step_of_piece(const OptimizerStep& whole, const ShardPiece& piece,
                            const FlatPlaces& weights) {
  const int64_t n = piece.range.size();
  OptimizerStep step = whole;
  step.param = weights.at(piece.range);
  step.round_param = piece.rounded;
  step.grad = cols_of(step.grad, piece.gradient, n);
  for (Tensor* state : {&step.m, &step.v, &step.m2})
    if (!state->empty()) *state = cols_of(*state, piece.state, n);
  step.ranges = piece.ranges;
  step.flat_begin = piece.range.begin;
  step.block_sums = rows_of(step.block_sums, piece.range.begin / kFlatBlock, n / kFlatBlock);
  return step;
}

void give_weights(Backend& backend, const TrainBuffers& buffers, const ShardLayout& layout,
                  float* flat) {
  for (const FlatRange& run : layout.cut_at_border(layout.weights)) {
    if (layout.rounded(run)) round_to_bf16(flat + run.begin, run.size());
    flat_to_device(backend, buffers.weights.at(run), flat + run.begin);
  }
}

float* HostState::make() {
  arrays_.emplace_back(
      static_cast<float*>(std::calloc(static_cast<size_t>(flat_size_), sizeof(float))));
  if (arrays_.back() == nullptr) throw std::bad_alloc();
  return arrays_.back().get();
}

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
  give_weights(backend, buffers, layout_, weights_);
  for (const auto& [state, host] : states_) {
    const FlatRuns& runs = layout_.*(state->runs);
    for (const FlatRange& run : runs.runs())
      flat_to_device(backend, runs.part(buffers.*(state->device), run), host + run.begin);
  }
}

}  // namespace ballast
