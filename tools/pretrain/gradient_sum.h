// From the gradients of micro-batches to their sum over all ranks, in buckets of the flat index
// that travel while the backward pass goes on. One thread; collective.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "libcore/model/flat_cut.h"
#include "libcore/model/part_store.h"
#include "libcore/tensor/arena.h"
#include "libcore/tensor/comm.h"
#include "tools/pretrain/bucket_rooms.h"
#include "tools/pretrain/buffers.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

class GradientSum : public GradientStore {
 public:
  // Where the model adds its gradients.
  virtual FlatPlaces places() const = 0;
  // Contiguous parts of this rank's share of a batch, each with a loss of its own.
  virtual int64_t slots() const { return 1; }
  // Around the passes of a step, micro = 0 .. micros - 1.
  virtual void begin(int64_t micro, int64_t micros) = 0;
  virtual void end() = 0;
  // After the last one: the sum is complete when it returns.
  virtual void finish() = 0;
  // Memory that is free between steps, a multiple of kFlatBlock of f32.
  virtual Tensor scratch() const = 0;
};

// The gradients of a rank stand in one flat buffer, to which all its micro-batches add; a bucket
// travels once, when the last one has completed it. With sharding (ZeRO-1) a rank ends with the sum
// of its own shard only.
//
// --deterministic world: a step's batch is cut into kWorldSlots contiguous slots. A slot's
// micro-batches are accumulated in order, slots are added pairwise,
// ((0+1)+(2+3))+((4+5)+(6+7)), in a rank first, then by the ranks' collective, which adds in the
// same order: the bits do not depend on the number of ranks.
class WholeGradientSum final : public GradientSum {
 public:
  // `slots`: of this rank, a power of two; 1 without --deterministic world. Takes a buffer for
  // every level of the tree of slots.
  WholeGradientSum(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut,
                   const Tensor& grads, int64_t slots, bool sharded);

  FlatPlaces places() const override { return grads_; }
  int64_t slots() const override { return slots_; }
  void begin(int64_t micro, int64_t micros) override;
  void open(int64_t) override {}
  void complete(int64_t part) override;
  void end() override;
  void finish() override;
  Tensor scratch() const override { return grads_; }

 private:
  void keep_slot();
  void send(const FlatBucket& bucket);

  Backend& backend_;
  Comm* comm_;  // null in a plan
  const FlatCut& cut_;
  Tensor grads_;
  int64_t slots_;
  bool sharded_;
  std::vector<Tensor> kept_;  // level k: the sum of 2^k slots
  int64_t slot_ = 0;          // of the present micro-batch
  bool ends_slot_ = false, last_ = false;
  size_t sent_ = 0;  // buckets of this step
  EventId last_event_ = 0;
};

// ZeRO-2: a rank keeps the sum of its shard. The matrices' gradients of a micro-batch are made in
// rooms for buckets, reduced to their owners, and added to the shard in the order of micro-batches:
// ranks are added first, micro-batches then, so with more than one micro-batch a rank the last bits
// are not those of WholeGradientSum. What has a room of its own is added up there, over
// micro-batches first, and travels once a step.
class ShardGradientSum final : public GradientSum {
 public:
  // `shard` (1, n): the runs `own` of the flat index.
  ShardGradientSum(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut,
                   bool tied_embedding, const FlatRuns& own, const Tensor& shard);

  FlatPlaces places() const override { return rooms_.places(cut_); }
  void begin(int64_t micro, int64_t micros) override;
  void open(int64_t part) override;
  void complete(int64_t part) override;
  void end() override;
  void finish() override;
  Tensor scratch() const override { return rooms_.largest(); }

 private:
  struct Room {
    size_t bucket = 0;
    bool holds = false, travels = false;
    EventId event = 0;
  };
  void send(size_t bucket);
  void collect(Room& room);

  Backend& backend_;
  Comm* comm_;  // null in a plan
  const FlatCut& cut_;
  FlatRuns own_;
  Tensor shard_;
  BucketRooms rooms_;
  std::vector<Room> state_;  // by room
  std::vector<bool> begun_;  // by bucket: the shard holds something of this step
  bool last_ = false;
  size_t next_ = 0;  // bucket of this micro-batch to be completed
};

// As the stage of ZeRO asks. `comm` is null in a plan.
std::unique_ptr<GradientSum> make_gradient_sum(Backend& backend, Comm* comm, Arena& arena,
                                               const RunConfig& config, int ranks,
                                               const FlatCut& cut, const ShardLayout& layout,
                                               const Tensor& grads);

}  // namespace ballast
