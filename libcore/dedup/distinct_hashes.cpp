#include "libcore/dedup/distinct_hashes.h"

#include <algorithm>
#include <utility>

namespace ballast {
namespace {

constexpr size_t kFirstSlots = 64;

// The slot that holds `hash`, or the free one where it belongs.
size_t find_slot(const std::vector<Hash128>& slots, const Hash128& hash) {
  const size_t last = slots.size() - 1;
  size_t at = hash.low & last;
  while (slots[at] != Hash128{} && slots[at] != hash) at = (at + 1) & last;
  return at;
}

}  // namespace

void DistinctHashes::grow(Part& part) {
  const std::vector<Hash128> slots = std::exchange(part.slots, {});
  const std::vector<uint64_t> numbers = std::exchange(part.numbers, {});
  const size_t wanted = std::max(kFirstSlots, slots.size() * 2);
  part.slots.resize(wanted);
  if (numbered_) part.numbers.resize(wanted);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] == Hash128{}) continue;
    const size_t at = find_slot(part.slots, slots[i]);
    part.slots[at] = slots[i];
    if (numbered_) part.numbers[at] = numbers[i];
  }
  const size_t each = sizeof(Hash128) + (numbered_ ? sizeof(uint64_t) : 0);
  bytes_ += static_cast<int64_t>((wanted - slots.size()) * each);
}

DistinctHashes::Answer DistinctHashes::insert(Hash128 hash) {
  if (hash == Hash128{}) hash.low = 1;
  Part& part = parts_[hash.high >> 58];
  if ((part.used + 1) * 4 > part.slots.size() * 3) grow(part);
  const size_t at = find_slot(part.slots, hash);
  if (part.slots[at] == hash) return {false, numbered_ ? part.numbers[at] : 0};
  const auto number = static_cast<uint64_t>(count_++);
  ++part.used;
  part.slots[at] = hash;
  if (numbered_) part.numbers[at] = number;
  return {true, numbered_ ? number : 0};
}

}  // namespace ballast
