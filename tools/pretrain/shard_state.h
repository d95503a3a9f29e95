// Which part of the flat index this rank updates, and the optimizer states that belong to it. With
// --zero 1 (ZeRO-1) a rank keeps states of its shard only, one piece after another; else one piece
// covers everything. States of every optimizer are listed once, in kStates: sharding, saving and
// loading follow the list.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "libcore/checkpoint/store.h"
#include "libcore/model/flat_cut.h"
#include "tools/pretrain/buffers.h"

namespace ballast {

struct ShardPiece {
  FlatRange range;
  int64_t state_begin = 0;             // of element range.begin in the sharded states
  std::vector<OptimizerRange> ranges;  // relative to range.begin
};

std::vector<ShardPiece> make_shard(const FlatCut& cut, int rank, bool sharded, int64_t flat_size,
                                   const std::vector<OptimizerRange>& ranges);

// The step of one piece, from that of the whole index.
OptimizerStep step_of_piece(const OptimizerStep& whole, const ShardPiece& piece);

struct StateBuffer {
  Tensor TrainBuffers::*device;
  const float* FlatState::*saved;
  float* MutableFlatState::*loaded;
  bool sharded;  // with --zero 1; averages of the weights stay whole
};
inline constexpr StateBuffer kStates[] = {
    {&TrainBuffers::m, &FlatState::m, &MutableFlatState::m, true},
    {&TrainBuffers::v, &FlatState::v, &MutableFlatState::v, true},
    {&TrainBuffers::m2, &FlatState::m2, &MutableFlatState::m2, true},
    {&TrainBuffers::swa, &FlatState::swa, &MutableFlatState::swa, false},
    {&TrainBuffers::ema, &FlatState::ema, &MutableFlatState::ema, false},
};

// Weights and states in host memory, addressed by the whole flat index as checkpoints want them.
// What was never written takes no memory.
class HostState {
 public:
  explicit HostState(int64_t flat_size) : flat_size_(flat_size) {}
  // From the device: the states that this rank owns, and with `weights` those.
  FlatState take(Backend& backend, const TrainBuffers& buffers,
                 const std::vector<ShardPiece>& pieces, bool weights);
  // To be filled by load_checkpoint(), then given to the device.
  MutableFlatState prepare(const TrainBuffers& buffers, const std::vector<FlatRange>* keep);
  void give(Backend& backend, const TrainBuffers& buffers, const std::vector<ShardPiece>& pieces);

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  using Array = std::unique_ptr<float, Free>;
  float* make();

  int64_t flat_size_;
  float* weights_ = nullptr;
  std::map<const StateBuffer*, float*> states_;
  std::vector<Array> arrays_;
};

}  // namespace ballast
