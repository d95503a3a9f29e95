// Little-endian loads and stores at any alignment, and byte spans. All our binary formats are
// little-endian.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ballast {

static_assert(std::endian::native == std::endian::little,
              "Ballast reads and writes little-endian data in place");

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

template <class T>
requires std::is_trivially_copyable_v<T> T load_le(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <class T>
requires std::is_trivially_copyable_v<T>
void store_le(void* to, T value) { std::memcpy(to, &value, sizeof(T)); }

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace ballast
