#include "tools/pretrain/shard_state.h"

#include <algorithm>
#include <new>

#include "tools/pretrain/flat_copy.h"

namespace ballast {

std::vector<ShardPiece> make_shard(const FlatCut& cut, int rank, bool sharded, int64_t flat_size,
                                   const std::vector<OptimizerRange>& ranges) {
  std::vector<ShardPiece> pieces;
  const std::vector<FlatRange> parts =
      sharded ? cut.shard(rank) : std::vector<FlatRange>{{0, flat_size}};
  int64_t begin = 0;
  for (const FlatRange& part : parts) {
    pieces.push_back({part, begin, ranges_within(ranges, part)});
    begin += part.size();
  }
  return pieces;
}

OptimizerStep step_of_piece(const OptimizerStep& whole, const ShardPiece& piece) {
  const int64_t n = piece.range.size();
  OptimizerStep step = whole;
  for (Tensor* flat : {&step.param, &step.grad}) *flat = cols_of(*flat, piece.range.begin, n);
  for (Tensor* state : {&step.m, &step.v, &step.m2})
    if (!state->empty()) *state = cols_of(*state, piece.state_begin, n);
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

FlatState HostState::take(Backend& backend, const TrainBuffers& buffers,
                          const std::vector<ShardPiece>& pieces, bool weights) {
  FlatState flat;
  if (weights) {
    weights_ = make();
    flat_to_host(backend, buffers.params, weights_);
    flat.master = weights_;
  }
  for (const StateBuffer& state : kStates) {
    const Tensor& device = buffers.*state.device;
    if (device.empty()) continue;
    float* host = make();
    for (const ShardPiece& piece : pieces) {
      const int64_t begin = state.sharded ? piece.state_begin : piece.range.begin;
      flat_to_host(backend, cols_of(device, begin, piece.range.size()), host + piece.range.begin);
    }
    flat.*state.saved = host;
  }
  return flat;
}

MutableFlatState HostState::prepare(const TrainBuffers& buffers,
                                    const std::vector<FlatRange>* keep) {
  MutableFlatState flat;
  flat.master = weights_ = make();
  flat.keep = keep;
  for (const StateBuffer& state : kStates) {
    if ((buffers.*state.device).empty()) continue;
    flat.*state.loaded = states_[&state] = make();
  }
  return flat;
}

void HostState::give(Backend& backend, const TrainBuffers& buffers,
                     const std::vector<ShardPiece>& pieces) {
  flat_to_device(backend, buffers.params, weights_);
  for (const auto& [state, host] : states_) {
    const Tensor& device = buffers.*(state->device);
    if (!state->sharded) {
      flat_to_device(backend, device, host);
      continue;
    }
    for (const ShardPiece& piece : pieces)
      flat_to_device(backend, cols_of(device, piece.state_begin, piece.range.size()),
                     host + piece.range.begin);
  }
}

}  // namespace ballast
