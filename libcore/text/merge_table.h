// The merges of a BPE vocabulary: pair of ids -> rank and joined id, in an open hash table, and a
// bitmap that tells most pairs without a merge. Filled once, then read by any thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace ballast {

struct BpeMerge {
  int32_t left = 0;
  int32_t right = 0;
  int32_t joined = 0;
};

class MergeTable {
 public:
  static constexpr uint32_t kNoRank = ~uint32_t{0};
  struct Entry {
    int32_t left = -1;
    int32_t right = -1;
    uint32_t rank = kNoRank;  // kNoRank: the pair is not joined
    int32_t joined = -1;
  };

  // Room for `merges` of them.
  explicit MergeTable(size_t merges = 0) {
    const size_t capacity = std::bit_ceil(std::max<size_t>(2 * merges, 16));
    shift_ = 64 - std::countr_zero(capacity);
    entries_.resize(capacity);
    filter_.resize(capacity * kFilterBits / 64);
  }

  // A pair that is there already takes the new rank.
  void set(const Entry& entry) {
    const uint64_t hash = hash_of(entry.left, entry.right);
    entries_[place_of(hash, entry.left, entry.right)] = entry;
    const uint64_t bit = hash >> (shift_ - kFilterShift);
    filter_[bit / 64] |= uint64_t{1} << bit % 64;
  }

  // False of most pairs that are not there, from a bitmap that is small beside the table.
  bool may_hold(int32_t left, int32_t right) const {
    const uint64_t bit = hash_of(left, right) >> (shift_ - kFilterShift);
    return filter_[bit / 64] >> bit % 64 & 1;
  }

  const Entry& find(int32_t left, int32_t right) const {
    return entries_[place_of(hash_of(left, right), left, right)];
  }

  std::vector<Entry> all() const {
    std::vector<Entry> found;
    for (const Entry& entry : entries_)
      if (entry.rank != kNoRank) found.push_back(entry);
    return found;
  }

 private:
  static constexpr int kFilterShift = 3;
  static constexpr size_t kFilterBits = size_t{1} << kFilterShift;  // for each entry

  static uint64_t hash_of(int32_t left, int32_t right) {
    const uint64_t key =
        static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    return (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
  }

  size_t place_of(uint64_t hash, int32_t left, int32_t right) const {
    size_t at = hash >> shift_;
    while (entries_[at].rank != kNoRank &&
           (entries_[at].left != left || entries_[at].right != right))
      at = (at + 1) & (entries_.size() - 1);
    return at;
  }

  std::vector<Entry> entries_;
  std::vector<uint64_t> filter_;
  int shift_ = 0;
};

}  // namespace ballast
