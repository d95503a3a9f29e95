#include "libcore/text/bpe_words.h"

#include <cstring>

namespace ballast {
namespace {

constexpr size_t kAhead = 12;

int64_t count_of(const int32_t* word) {
  int64_t count = 0;
  std::memcpy(&count, word + 1, sizeof(count));
  return count;
}

}  // namespace

void BpeWords::reserve(size_t numbers, size_t words) {
  numbers_.reserve(numbers);
  places_.reserve(numbers - (kHeader + 1) * words);
}

void BpeWords::add(std::string_view piece, int64_t count, const ByteIds& byte_ids) {
  const auto word = static_cast<uint32_t>(numbers_.size());
  numbers_.resize(numbers_.size() + kHeader);
  numbers_[word] = static_cast<int32_t>(piece.size());
  std::memcpy(&numbers_[word + 1], &count, sizeof(count));
  for (const char byte : piece) numbers_.push_back(byte_ids[static_cast<uint8_t>(byte)]);
  const int32_t* symbols = &numbers_[word + kHeader];
  for (size_t i = 0; i + 1 < piece.size(); ++i) change(symbols[i], symbols[i + 1], count, word);
}

uint32_t BpeWords::new_place(uint32_t word, uint32_t next) {
  if (free_ == kNone) {
    make_room(places_);
    places_.push_back({word, next});
    return static_cast<uint32_t>(places_.size() - 1);
  }
  const uint32_t place = free_;
  free_ = places_[place].next;
  places_[place] = {word, next};
  return place;
}

void BpeWords::change(int32_t left, int32_t right, int64_t by, uint32_t word) {
  Noted& noted = noted_[pair_key(left, right)];
  noted.by += by;
  if (by < 0 || (noted.first != kNone && places_[noted.first].word == word)) return;
  noted.first = new_place(word, noted.first);
  if (noted.last == kNone) noted.last = noted.first;
  ++noted.words;
}

std::span<const BpeWords::Change> BpeWords::settle() {
  changes_.clear();
  for (const auto& [key, noted] : noted_.entries()) {
    if (noted.by != 0) changes_.push_back({key, noted.by});
    if (noted.words == 0) continue;
    Held& held = held_[key];
    places_[noted.last].next = held.first;
    held.first = noted.first;
    held.words += noted.words;
  }
  // A load notes many pairs at once, a step few, and clearing takes as long as there is room.
  if (noted_.entries().size() > 4096)
    noted_ = {};
  else
    noted_.clear();
  return changes_;
}

size_t BpeWords::words_with(uint64_t key) {
  const Held* held = held_.find(key);
  return held == nullptr ? 0 : held->words;
}

// Moves the words of a pair to batch_, and their places to the free ones.
void BpeWords::take_words(Held& held) {
  batch_.clear();
  for (uint32_t place = held.first; place != kNone;) {
    Place& here = places_[place];
    batch_.push_back(here.word);
    const uint32_t next = here.next;
    here.next = free_;
    free_ = place;
    place = next;
  }
  held = {};
}

void BpeWords::join(uint64_t key, int32_t joined) {
  Held* held = held_.find(key);
  if (held == nullptr) return;
  take_words(*held);
  for (size_t i = 0; i < batch_.size(); ++i) {
    if (i + kAhead < batch_.size()) __builtin_prefetch(&numbers_[batch_[i + kAhead]]);
    rewrite(batch_[i], key, joined);
  }
}

void BpeWords::rewrite(uint32_t word, uint64_t key, int32_t joined) {
  int32_t* const header = &numbers_[word];
  int32_t* const symbols = header + kHeader;
  const int32_t length = header[0], left = left_of(key), right = right_of(key);
  const int64_t count = count_of(header);
  int32_t kept = 0;
  for (int32_t i = 0; i < length;) {
    if (symbols[i] != left || i + 1 == length || symbols[i + 1] != right) {
      symbols[kept++] = symbols[i++];
      continue;
    }
    if (kept > 0) {
      change(symbols[kept - 1], left, -count, word);
      change(symbols[kept - 1], joined, count, word);
    }
    if (i + 2 < length) {
      change(right, symbols[i + 2], -count, word);
      change(joined, symbols[i + 2], count, word);
    }
    symbols[kept++] = joined;
    i += 2;
  }
  header[0] = kept;
}

}  // namespace ballast
