// From the bytes of a token to its id, in an open hash table of 8-byte entries over the strings of
// a vocabulary. Filled once, then read by any thread; the strings stay with their owner.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/hash.h"

namespace ballast {

class TokenTable {
 public:
  // Room for `tokens` of them.
  explicit TokenTable(size_t tokens = 0) {
    const size_t capacity = std::bit_ceil(std::max<size_t>(2 * tokens, 16));
    mask_ = capacity - 1;
    entries_.resize(capacity);
  }

  // Ids are added once each; of two with the same bytes the first one is found.
  void add(std::span<const std::string> tokens, int32_t id) {
    const std::string_view bytes = tokens[static_cast<size_t>(id)];
    longest_ = std::max(longest_, bytes.size());
    Entry& entry = entries_[place_of(tokens, bytes)];
    if (entry.id < 0) entry = {tag_of(xxh3_64(bytes)), id};
  }

  // -1 when there is none.
  int32_t find(std::span<const std::string> tokens, std::string_view bytes) const {
    return bytes.size() > longest_ ? -1 : entries_[place_of(tokens, bytes)].id;
  }

 private:
  struct Entry {
    uint32_t tag = 0;
    int32_t id = -1;
  };

  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

  size_t place_of(std::span<const std::string> tokens, std::string_view bytes) const {
    const uint64_t hash = xxh3_64(bytes);
    size_t at = hash & mask_;
    while (entries_[at].id >= 0 && (entries_[at].tag != tag_of(hash) ||
                                    tokens[static_cast<size_t>(entries_[at].id)] != bytes))
      at = (at + 1) & mask_;
    return at;
  }

  std::vector<Entry> entries_;
  size_t mask_ = 0;
  size_t longest_ = 0;
};

}  // namespace ballast
