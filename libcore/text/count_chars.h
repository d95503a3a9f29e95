// Code points of valid UTF-8. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace ballast {

inline int64_t count_chars(std::string_view text) {
  int64_t chars = 0;
  for (char c : text) chars += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return chars;
}

}  // namespace ballast
