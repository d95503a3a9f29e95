// ZeRO-3: a rank keeps the weights of its shard; a pass gets the others from their owners,
// bucket by bucket (FlatCut) into rooms that take turns, each just before its first layer needs it.
// Then the next bucket in the direction of the pass is asked for, and travels while this one is
// computed with. What still stands from the pass before is not asked for again. One-dimensional
// parameters stand whole on every rank. One thread; collective.
#pragma once

#include <cstdint>
#include <functional>
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

class WeightGather final : public WeightStore {
 public:
  // `kept`: this rank's shard, in which the last bucket is whole; the others are of `type`.
  WeightGather(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut, bool tied_embedding,
               const FlatPlaces& kept, Dtype type);

  // Where the model finds its weights.
  FlatPlaces places() const;
  int64_t want(int64_t part) override;
  void changed() override;
  // Shows all weights, one bucket after another, each while it stands.
  void visit(const std::function<void(const FlatRange& range, const Tensor& weights)>& show);

 private:
  struct Room {
    size_t bucket = 0;
    int64_t content = 0;  // 0: nothing
    bool travels = false;
    EventId event = 0;
  };
  Room& room_of(size_t bucket) { return state_[rooms_.room_of(bucket)]; }
  Room& stand(size_t bucket);
  void fetch(size_t bucket);
  void fetch_after(size_t bucket);

  Backend& backend_;
  Comm* comm_;  // null in a plan
  const FlatCut& cut_;
  FlatPlaces kept_;
  BucketRooms rooms_;
  std::vector<Room> state_;  // by room
  int64_t contents_ = 0;     // so many were gathered
  size_t last_ = 0;          // bucket that was wanted, of those that take turns
};

// Null unless the stage of ZeRO asks for it. `comm` is null in a plan.
std::unique_ptr<WeightGather> make_weight_gather(Backend& backend, Comm* comm, Arena& arena,
                                                 const RunConfig& config, int ranks,
                                                 const FlatCut& cut, const FlatPlaces& kept);

}  // namespace ballast
