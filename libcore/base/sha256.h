// SHA-256 over chunks, for content that does not fit into memory. One thread; no errors.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "libcore/base/bytes.h"

namespace ballast {

std::string hex_digits(std::span<const unsigned char> bytes);  // lower case

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
