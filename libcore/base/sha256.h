// SHA-256 over chunks, for content that does not fit into memory. One thread; no errors.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libcore/base/bytes.h"

namespace ballast {

std::string hex_digits(std::span<const unsigned char> bytes);  // lower case

using Sha256Digest = std::array<unsigned char, 32>;
// Of 64 lower-case hex digits; nothing of anything else.
std::optional<Sha256Digest> parse_sha256(std::string_view hex);

class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(Sha256Hasher&&) noexcept;
  Sha256Hasher& operator=(Sha256Hasher&&) noexcept;
  void update(Bytes data);
  std::string hex() const;  // 64 lower-case digits, of what came so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ballast
