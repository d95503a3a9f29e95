#include "tools/pretrain/bucket_rooms.h"

#include <algorithm>

namespace ballast {

BucketRooms::BucketRooms(Arena& arena, const FlatCut& cut, std::span<const BucketKind> kinds,
                         Dtype type)
    : kinds_(kinds.begin(), kinds.end()) {
  BALLAST_CHECK(kinds.size() == cut.buckets().size());
  std::vector<int64_t> elements;  // of each room; the shared ones first
  const auto sharing = static_cast<size_t>(std::ranges::count(kinds, BucketKind::shared));
  elements.resize(std::min(kShared, sharing));
  size_t turn = 0;
  for (size_t b = 0; b < kinds_.size(); ++b) {
    sizes_.push_back(cut.buckets()[b].range.size());
    if (kinds_[b] == BucketKind::own) elements.push_back(0);
    room_of_.push_back(kinds_[b] == BucketKind::shared ? turn++ % kShared : elements.size() - 1);
    if (kinds_[b] == BucketKind::elsewhere) continue;
    int64_t& room = elements[room_of_.back()];
    room = std::max(room, sizes_.back());
  }
  for (const int64_t n : elements) rooms_.push_back(arena.take(type, 1, n));
}

FlatPlaces BucketRooms::places(const FlatCut& cut) const {
  FlatPlaces places;
  for (size_t b = 0; b < kinds_.size(); ++b)
    if (kinds_[b] != BucketKind::elsewhere) places.put(cut.buckets()[b].range, tensor(b));
  return places;
}

Tensor BucketRooms::largest() const {
  return *std::ranges::max_element(rooms_, {}, [](const Tensor& room) { return room.cols; });
}

std::vector<BucketKind> bucket_kinds(const FlatCut& cut, bool tied_embedding,
                                     BucketKind one_dimensional) {
  std::vector<BucketKind> kinds(cut.buckets().size(), BucketKind::shared);
  if (tied_embedding) kinds[cut.bucket_of(0)] = BucketKind::own;
  kinds.back() = one_dimensional;
  return kinds;
}

}  // namespace ballast
