#include "libcore/base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <string_view>

#include "libcore/base/check.h"
#include "libcore/base/sha256.h"

namespace ballast {
namespace {

void append_hex(std::string& text, uint64_t word) {
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
}

}  // namespace

uint64_t xxh3_64(Bytes data, uint64_t seed) {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

Hash128 xxh3_128(Bytes data) {
  const XXH128_hash_t hash = XXH3_128bits(data.data(), data.size());
  return {hash.high64, hash.low64};
}

std::string Hash128::hex() const {
  std::string text;
  append_hex(text, high);
  append_hex(text, low);
  return text;
}

struct Xxh3Hasher::State {
  XXH3_state_t* state = XXH3_createState();
  State() { XXH3_128bits_reset(state); }
  ~State() { XXH3_freeState(state); }
};

Xxh3Hasher::Xxh3Hasher() : state_(std::make_unique<State>()) {}
Xxh3Hasher::~Xxh3Hasher() = default;
Xxh3Hasher::Xxh3Hasher(Xxh3Hasher&&) noexcept = default;
Xxh3Hasher& Xxh3Hasher::operator=(Xxh3Hasher&&) noexcept = default;

void Xxh3Hasher::update(Bytes data) {
  XXH3_128bits_update(state_->state, data.data(), data.size());
}

Hash128 Xxh3Hasher::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->state);
  return {hash.high64, hash.low64};
}

std::string sha256_hex(Bytes data) {
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  BALLAST_CHECK(
      EVP_Digest(data.data(), data.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  return hex_digits(digest);
}

}  // namespace ballast
