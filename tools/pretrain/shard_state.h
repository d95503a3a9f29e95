// Which part of the flat index this rank updates, and where in its buffers what belongs to it lies.
// Without sharding one piece covers everything, or one the matrices and one the rest. Tensors that
// a run carries on are listed once, in kStates: sharding, saving and loading follow the list.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "libcore/checkpoint/store.h"
#include "libcore/model/flat_cut.h"
#include "tools/pretrain/buffers.h"

namespace ballast {

struct ShardPiece {
  FlatRange range;
  int64_t gradient = 0, state = 0;     // places of element range.begin in the buffers
  bool rounded = false;                // matrices that have values of bf16 only
  std::vector<OptimizerRange> ranges;  // relative to range.begin
};

std::vector<ShardPiece> make_shard(const ShardLayout& layout,
                                   const std::vector<OptimizerRange>& ranges);

// Of the whole index, as the optimizer wants them cut.
std::vector<OptimizerRange> ranges_of(const OptimizerConfig& optimizer, const ParamTable& table);

// The step of one piece, from that of the whole index without its weights.
OptimizerStep step_of_piece(const OptimizerStep& whole, const ShardPiece& piece,
                            const FlatPlaces& weights);

// The weights that a rank keeps, from `flat` in host memory, addressed by the whole index; matrices
// that are stored in bf16 are rounded to the nearest there, which changes none that were before.
void give_weights(Backend& backend, const TrainBuffers& buffers, const ShardLayout& layout,
                  float* flat);

struct StateBuffer {
  Tensor TrainBuffers::*device;
  const float* FlatState::*saved;
  float* MutableFlatState::*loaded;
  FlatRuns ShardLayout::*runs;  // what the device's buffer holds
};
inline constexpr StateBuffer kStates[] = {
    {&TrainBuffers::m, &FlatState::m, &MutableFlatState::m, &ShardLayout::states},
    {&TrainBuffers::v, &FlatState::v, &MutableFlatState::v, &ShardLayout::states},
    {&TrainBuffers::m2, &FlatState::m2, &MutableFlatState::m2, &ShardLayout::states},
    {&TrainBuffers::swa, &FlatState::swa, &MutableFlatState::swa, &ShardLayout::weights},
    {&TrainBuffers::ema, &FlatState::ema, &MutableFlatState::ema, &ShardLayout::weights},
};

// Weights and states in host memory, addressed by the whole flat index as checkpoints want them.
// What was never written takes no memory.
class HostState {
 public:
  // `layout` must outlive it.
  HostState(int64_t flat_size, const ShardLayout& layout)
      : flat_size_(flat_size), layout_(layout) {}
  // From the device: all weights, where `weights` is wanted, by `collect`; what this rank owns of
  // the states.
  FlatState take(Backend& backend, const TrainBuffers& buffers, bool weights,
                 const std::function<void(float*)>& collect);
  // To be filled by load_checkpoint(), then given to the device.
  MutableFlatState prepare(const TrainBuffers& buffers);
  void give(Backend& backend, const TrainBuffers& buffers);

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  using Array = std::unique_ptr<float, Free>;
  float* make();

  int64_t flat_size_;
  const ShardLayout& layout_;
  float* weights_ = nullptr;
  std::map<const StateBuffer*, float*> states_;
  std::vector<Array> arrays_;
};

}  // namespace ballast
