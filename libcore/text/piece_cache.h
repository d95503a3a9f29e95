// Remembers the ids of pieces already encoded. A fixed table of 64-byte entries, one place per
// hash: memory never grows (8 MiB) and what it forgets is encoded again. Pieces of at most 32 bytes
// with at most 6 ids fit. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace ballast {

class PieceCache {
 public:
  static constexpr size_t kMaxBytes = 32;
  static constexpr size_t kMaxIds = 6;
  using Key = std::array<uint64_t, 4>;  // the piece, padded with zero bytes

  struct alignas(64) Entry {
    Key key{};
    std::array<int32_t, kMaxIds> ids{};
    uint32_t bytes = 0;  // 0: empty
    uint32_t count = 0;

    bool holds(const Key& wanted, size_t length) const {
      return bytes == length && key[0] == wanted[0] && key[1] == wanted[1] &&
             (length <= 16 || (key[2] == wanted[2] && key[3] == wanted[3]));
    }
  };

  PieceCache() : entries_(kEntries) {}

  // `readable` bytes may be read from `piece` on; the words beyond the piece are masked away.
  static Key key_of(const char* piece, size_t length, size_t readable) {
    Key key{};
    if (readable < kMaxBytes) {
      std::memcpy(key.data(), piece, length);
      return key;
    }
    std::memcpy(key.data(), piece, length <= 16 ? 16 : kMaxBytes);
    // Words beyond the piece are masked by its length, without branches on it.
    const auto keep = [length](size_t word) {
      const size_t bytes = length > 8 * word ? std::min<size_t>(length - 8 * word, 8) : 0;
      return bytes == 0 ? 0 : ~uint64_t{0} >> (64 - 8 * bytes);
    };
    key[0] &= keep(0);
    key[1] &= keep(1);
    if (length > 16) {
      key[2] &= keep(2);
      key[3] &= keep(3);
    }
    return key;
  }

  Entry& entry_of(const Key& key, size_t length) {
    uint64_t hash = mix(key[0] ^ 0xA0761D6478BD642Fu, key[1] ^ 0xE7037ED1A0B428DBu ^ length);
    if (length > 16) hash = mix(hash ^ key[2], key[3] ^ 0x8EBC6AF09C88C6E3u);
    return entries_[hash & (kEntries - 1)];
  }

  static void remember(Entry& entry, const Key& key, size_t length, std::span<const int32_t> ids) {
    if (ids.size() > kMaxIds) return;
    entry.key = key;
    entry.bytes = static_cast<uint32_t>(length);
    entry.count = static_cast<uint32_t>(ids.size());
    std::copy(ids.begin(), ids.end(), entry.ids.begin());
  }

 private:
  static constexpr size_t kEntries = size_t{1} << 17;

  static uint64_t mix(uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }

  std::vector<Entry> entries_;
};

}  // namespace ballast
