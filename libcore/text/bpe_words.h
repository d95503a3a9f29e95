// Some of the words that BPE training joins pairs in, and which of them hold which pair. Training
// shares all words out to as many BpeWords as there are threads; each notes how its words change
// the counts of pairs, and the trainer adds that up. One thread each.
//
// Memory: 12 bytes a word and 4 a byte of it; 8 bytes for each place where a pair stands, and about
// 24 for each distinct pair.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "libcore/text/pair_map.h"

namespace ballast {

class BpeWords {
 public:
  struct Change {
    uint64_t key;
    int64_t by;
  };
  using ByteIds = std::array<int32_t, 256>;

  static constexpr size_t kHeader = 3;  // numbers that a word takes beside its symbols

  // Numbers that words will take in all, headers included: below 2^32.
  void reserve(size_t numbers, size_t words);
  // A word of at least two bytes that stands `count` times.
  void add(std::string_view piece, int64_t count, const ByteIds& byte_ids);
  // Puts `joined` wherever the pair of `key` stands.
  void join(uint64_t key, int32_t joined);

  // Words that hold the pair, or held it once.
  size_t words_with(uint64_t key);
  // How add() and join() changed the counts of pairs since the last call; the pair that was joined
  // may be among them.
  std::span<const Change> settle();

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  struct Place {
    uint32_t word, next;
  };
  struct Held {
    uint32_t first = kNone, words = 0;
  };
  struct Noted {
    int64_t by = 0;
    uint32_t first = kNone, last = kNone, words = 0;
  };

  void change(int32_t left, int32_t right, int64_t by, uint32_t word);
  uint32_t new_place(uint32_t word, uint32_t next);
  void take_words(Held& held);
  void rewrite(uint32_t word, uint64_t key, int32_t joined);

  // A word is its length, its count in two halves, and its symbols; its name is where it begins.
  std::vector<int32_t> numbers_;
  std::vector<Place> places_;  // chained
  uint32_t free_ = kNone;
  PairMap<Held> held_;
  PairMap<Noted> noted_;
  std::vector<Change> changes_;
  std::vector<uint32_t> batch_;  // the words of the pair that is joined
};

}  // namespace ballast
