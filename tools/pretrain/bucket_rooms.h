// Memory for the buckets of the flat index (FlatCut) when not all of them stand at once: neighbours
// take turns in kShared rooms, so that one travels between the ranks while the next is worked on.
// Which room a bucket gets never changes, so its tensors keep their addresses. Views of an arena;
// one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "libcore/model/flat_cut.h"
#include "libcore/tensor/arena.h"

namespace ballast {

enum class BucketKind : uint8_t {
  shared,     // takes turns
  own,        // has a room of its own
  elsewhere,  // has none here
};

class BucketRooms {
 public:
  static constexpr size_t kShared = 2;

  BucketRooms() = default;
  // One kind for every bucket of the cut. Rooms are as large as their largest bucket.
  BucketRooms(Arena& arena, const FlatCut& cut, std::span<const BucketKind> kinds,
              Dtype type = Dtype::f32);

  size_t rooms() const { return rooms_.size(); }
  size_t room_of(size_t bucket) const { return room_of_[bucket]; }
  bool shares(size_t bucket) const { return kinds_[bucket] == BucketKind::shared; }
  Tensor tensor(size_t bucket) const {  // (1, n)
    return cols_of(rooms_[room_of_[bucket]], 0, sizes_[bucket]);
  }
  // Of all buckets that have a room.
  FlatPlaces places(const FlatCut& cut) const;
  Tensor largest() const;

 private:
  std::vector<BucketKind> kinds_;
  std::vector<int64_t> sizes_;   // by bucket
  std::vector<size_t> room_of_;  // by bucket
  std::vector<Tensor> rooms_;
};

// Gradients, and weights that are gathered. A tied embedding is worked on from the loss to the end
// of the pass, so its bucket cannot take turns; nor can that of the 1-D parameters, to which every
// layer adds.
std::vector<BucketKind> bucket_kinds(const FlatCut& cut, bool tied_embedding,
                                     BucketKind one_dimensional);

}  // namespace ballast
