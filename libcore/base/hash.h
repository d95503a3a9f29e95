// Hashes: xxh3 finds damage and names streams; SHA-256 proves content to third parties. Pure; no
// errors.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "libcore/base/bytes.h"

namespace ballast {

uint64_t xxh3_64(Bytes data, uint64_t seed = 0);
inline uint64_t xxh3_64(std::string_view text, uint64_t seed = 0) {
  return xxh3_64(as_bytes(text), seed);
}

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const Hash128&) const = default;
  std::string hex()
      const;  // 32 lower-case digits, high word first (the canonical form that `xxhsum -H2` prints)
};

Hash128 xxh3_128(Bytes data);

// Streaming xxh3-128 over chunks.
class Xxh3Hasher {
 public:
  Xxh3Hasher();
  ~Xxh3Hasher();
  Xxh3Hasher(Xxh3Hasher&&) noexcept;
  Xxh3Hasher& operator=(Xxh3Hasher&&) noexcept;
  void update(Bytes data);
  Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// SHA-256 as 64 lower-case hex digits.
std::string sha256_hex(Bytes data);
inline std::string sha256_hex(std::string_view text) { return sha256_hex(as_bytes(text)); }

}  // namespace ballast
