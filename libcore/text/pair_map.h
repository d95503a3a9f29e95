// A map from pairs of token ids to values, for training: entries lie one after the other in the
// order in which they were made, which an open table of their numbers finds. Nothing is erased but
// everything. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ballast {

// A pair of ids as a key that sorts as the pair does.
inline uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}
inline int32_t left_of(uint64_t key) { return static_cast<int32_t>(key >> 32); }
inline int32_t right_of(uint64_t key) { return static_cast<int32_t>(key & 0xFFFFFFFF); }

// Room for one more, taken by quarters: the largest arrays are those that memory was sized for.
template <class Item>
void make_room(std::vector<Item>& items) {
  if (items.size() == items.capacity()) items.reserve(items.size() + items.size() / 4 + 64);
}

template <class Value>
class PairMap {
 public:
  struct Entry {
    uint64_t key;
    Value value;
  };

  // The value of the key, made from nothing if need be. Until the next call.
  Value& operator[](uint64_t key) {
    if (2 * (entries_.size() + 1) > slots_.size()) grow();
    uint32_t& slot = slots_[slot_of(key)];
    if (slot == 0) {
      make_room(entries_);
      entries_.push_back({key, {}});
      slot = static_cast<uint32_t>(entries_.size());
    }
    return entries_[slot - 1].value;
  }
  // Null when there is none.
  Value* find(uint64_t key) {
    if (slots_.empty()) return nullptr;
    const uint32_t slot = slots_[slot_of(key)];
    return slot == 0 ? nullptr : &entries_[slot - 1].value;
  }

  const std::vector<Entry>& entries() const { return entries_; }

  // Takes as long as the map was large once.
  void clear() {
    std::fill(slots_.begin(), slots_.end(), 0);
    entries_.clear();
  }

 private:
  size_t mask() const { return slots_.size() - 1; }
  static size_t scatter(uint64_t key) {
    key *= 0x9E3779B97F4A7C15u;
    return key ^ key >> 32;
  }
  size_t slot_of(uint64_t key) const {
    size_t at = scatter(key) & mask();
    while (slots_[at] != 0 && entries_[slots_[at] - 1].key != key) at = (at + 1) & mask();
    return at;
  }
  void grow() {
    slots_.assign(std::max<size_t>(64, 2 * slots_.size()), 0);
    for (size_t i = 0; i < entries_.size(); ++i)
      slots_[slot_of(entries_[i].key)] = static_cast<uint32_t>(i + 1);
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // 1 + the number of an entry; 0: empty; a power of two of them
};

}  // namespace ballast
