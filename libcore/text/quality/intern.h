// Numbers for distinct strings or pairs, in the order in which they are first seen. Open addressing
// in a buffer that is reused; equal means equal, never only an equal hash. One thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "libcore/base/hash.h"

namespace ballast {

class StringIds {
 public:
  // Forgets everything; there is room for `most` strings.
  void reset(size_t most) {
    slots_.assign(std::bit_ceil(2 * most + 2), {});
    count_ = 0;
  }
  // The string must stay where it is until the next reset().
  uint32_t intern(std::string_view text) {
    const uint64_t hash = xxh3_64(text);
    const size_t last = slots_.size() - 1;
    for (size_t at = hash & last;; at = (at + 1) & last) {
      Slot& slot = slots_[at];
      if (slot.id == 0) {
        slot = {hash, text, ++count_};
        return count_ - 1;
      }
      if (slot.hash == hash && slot.text == text) return slot.id - 1;
    }
  }
  bool insert(std::string_view text) {
    const uint32_t before = count_;
    intern(text);
    return count_ > before;
  }
  uint32_t count() const { return count_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    std::string_view text;
    uint32_t id = 0;  // from 1
  };
  std::vector<Slot> slots_;
  uint32_t count_ = 0;
};

class PairIds {
 public:
  void reset(size_t most) {
    slots_.assign(std::bit_ceil(2 * most + 2), {});
    shift_ = 64 - std::countr_zero(slots_.size());
    count_ = 0;
  }
  uint32_t intern(uint32_t first, uint32_t second) {
    const uint64_t key = uint64_t{first} << 32 | second;
    const size_t last = slots_.size() - 1;
    uint64_t mixed = (key ^ key >> 29) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 32) * 0x94D049BB133111EBu;
    for (size_t at = mixed >> shift_;; at = (at + 1) & last) {
      Slot& slot = slots_[at];
      if (slot.id == 0) {
        slot = {key, ++count_};
        return count_ - 1;
      }
      if (slot.key == key) return slot.id - 1;
    }
  }
  uint32_t count() const { return count_; }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t id = 0;  // from 1
  };
  std::vector<Slot> slots_;
  int shift_ = 63;
  uint32_t count_ = 0;
};

}  // namespace ballast
