// Character classes of Unicode 14.0, as pre-tokenizers use them. The table is part of a tokenizer's
// meaning: letters that a later version adds would be split differently. Pure; built once at first
// use (about 0.1 ms), then shared by all threads.
#pragma once

#include <cstdint>
#include <cstring>

namespace ballast {

inline constexpr const char* kUnicodeVersion = "14.0.0";

enum CharMask : uint8_t {
  kUpper = 1,         // Lu, Lt
  kLower = 2,         // Ll
  kCaseless = 4,      // Lm, Lo
  kMark = 8,          // M
  kNumber = 16,       // N
  kSpace = 32,        // White_Space
  kWord = 64,         // \w: Alphabetic, M, Nd, Pc, Join_Control
  kUnassigned = 128,  // Cn and surrogates
};
inline constexpr uint8_t kLetter = kUpper | kLower | kCaseless;

// One mask per code point, 0x110000 entries.
const uint8_t* char_masks();

struct Char {
  uint8_t mask = 0;
  uint8_t bytes = 1;
};

// The character at p < end. A byte that starts no whole UTF-8 sequence is one character without
// class.
inline Char char_at(const char* p, const char* end, const uint8_t* masks) {
  const auto byte = [p](int i) { return static_cast<uint8_t>(p[i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {masks[lead], 1};
  const auto rest = end - p;
  if (lead < 0xE0) {
    if (lead < 0xC2 || rest < 2) return {};
    return {masks[(lead & 0x1F) << 6 | (byte(1) & 0x3F)], 2};
  }
  if (lead < 0xF0) {
    if (rest < 3) return {};
    return {masks[(lead & 0x0F) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3F)], 3};
  }
  if (lead > 0xF4 || rest < 4) return {};
  const uint32_t point =
      (lead & 0x07) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
  if (point > 0x10FFFF) return {};
  return {masks[point], 4};
}

}  // namespace ballast
