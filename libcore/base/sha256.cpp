#include "libcore/base/sha256.h"

#include <openssl/evp.h>

#include "libcore/base/check.h"

namespace ballast {

struct Sha256Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { BALLAST_CHECK(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

std::string hex_digits(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::optional<Sha256Digest> parse_sha256(std::string_view hex) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  Sha256Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < hex.size(); ++i) {
    const size_t value = kDigits.find(hex[i]);
    if (value == kDigits.npos) return std::nullopt;
    digest[i / 2] = static_cast<unsigned char>(digest[i / 2] << 4 | value);
  }
  return digest;
}

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {}
Sha256Hasher::~Sha256Hasher() = default;
Sha256Hasher::Sha256Hasher(Sha256Hasher&&) noexcept = default;
Sha256Hasher& Sha256Hasher::operator=(Sha256Hasher&&) noexcept = default;

void Sha256Hasher::update(Bytes data) {
  BALLAST_CHECK(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

std::string Sha256Hasher::hex() const {
  State so_far;
  Sha256Digest digest{};
  BALLAST_CHECK(EVP_MD_CTX_copy_ex(so_far.context, state_->context) == 1);
  BALLAST_CHECK(EVP_DigestFinal_ex(so_far.context, digest.data(), nullptr) == 1);
  return hex_digits(digest);
}

}  // namespace ballast
