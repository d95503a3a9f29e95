// Counts of pieces of text: entries of 24 bytes in an open table at most three quarters full, and
// the bytes of all pieces one after the other, about 50 bytes for a piece of a natural text. The
// caller brings the hash of each piece, so that several tables can share it. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ballast {

class PieceTable {
 public:
  static constexpr size_t kMaxPieceBytes = 1024;

  // `piece` has at most kMaxPieceBytes bytes, `count` is positive.
  void add(std::string_view piece, uint64_t hash, int64_t count);
  // 0 for one that was not added.
  int64_t count_of(std::string_view piece, uint64_t hash) const;
  // Fetches what add() of this hash will look at.
  void prefetch(uint64_t hash) const {
    if (!entries_.empty()) __builtin_prefetch(&entries_[hash & mask()]);
  }
  // Of pieces counted c < `least` times keeps one in least / c, by the draw of `seed` and its
  // bytes, and counts it `least` times from now on: on average every count, and every sum of them,
  // stays.
  void thin(int64_t least, uint64_t seed);
  void clear();

  size_t size() const { return size_; }
  size_t piece_bytes() const { return bytes_.size(); }

  // visit(piece, hash, count) in no order worth relying on.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Entry& entry : entries_)
      if (entry.count != 0) visit(piece_of(entry), entry.hash, entry.count);
  }

 private:
  struct Entry {
    uint64_t hash = 0;
    uint64_t place = 0;  // in bytes_, and the length in the low 16 bits
    int64_t count = 0;   // 0: empty
  };

  size_t mask() const { return entries_.size() - 1; }
  std::string_view piece_of(const Entry& entry) const {
    return {bytes_.data() + (entry.place >> 16), entry.place & 0xFFFF};
  }
  // The entry of the piece, or the empty one where it belongs.
  size_t find(std::string_view piece, uint64_t hash) const;
  void put(const Entry& entry);
  void grow();

  std::vector<Entry> entries_;  // none, or a power of two of them
  std::vector<char> bytes_;
  size_t size_ = 0;
};

}  // namespace ballast
