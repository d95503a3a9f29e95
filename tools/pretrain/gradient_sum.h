// From the gradients of micro-batches to their sum over all ranks. Buckets of the flat index travel
// as soon as the backward pass of the last micro-batch has completed them, while it goes on.
// With sharding (ZeRO-1) a rank ends with the sum of its own shard only.
//
// --deterministic world: a step's batch is cut into kWorldSlots contiguous slots. A slot's
// micro-batches are accumulated in order, slots are added pairwise,
// ((0+1)+(2+3))+((4+5)+(6+7)), in a rank first, then by the ranks' collective, which adds in the
// same order: the bits do not depend on the number of ranks. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/model/flat_cut.h"
#include "libcore/tensor/arena.h"
#include "libcore/tensor/comm.h"

namespace ballast {

inline constexpr int64_t kWorldSlots = 8;

class GradientSum {
 public:
  // `slots`: of this rank, a power of two; 1 without --deterministic world. Takes a buffer for
  // every level of the tree of slots.
  GradientSum(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut, const Tensor& grads,
              int64_t slots, bool sharded);

  int64_t slots() const { return slots_; }
  // Before the first micro-batch of a slot, and after the last one of a slot that is not the last.
  void begin_slot();
  void end_slot(int64_t slot);
  // In the last micro-batch: gradients of matrices from flat_begin on are final.
  void ready(int64_t flat_begin);
  // After the last micro-batch: the sum is complete when it returns.
  void finish();

 private:
  void send(const FlatBucket& bucket);

  Backend& backend_;
  Comm* comm_;  // null in a plan
  const FlatCut& cut_;
  Tensor grads_;
  int64_t slots_;
  bool sharded_;
  std::vector<Tensor> kept_;  // level k: the sum of 2^k slots
  size_t sent_ = 0;           // buckets of this step
  EventId last_ = 0;
};

}  // namespace ballast
