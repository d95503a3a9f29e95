#include "libcore/io/utf8.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace ballast {
namespace {

struct Step {
  size_t length = 0;  // bytes of the character, or of the ill-formed sequence
  bool valid = false;
};

// The character at the start of non-empty `text`. The range of the second byte depends on the first
// (Unicode 15, table 3-7); an ill-formed sequence ends before the first byte that cannot continue.
Step step(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return {1, true};
  if (first < 0xC2 || first > 0xF4) return {1, false};
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  unsigned char low = 0x80, high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size() || at(i) < low || at(i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

// C1 controls and the invisible characters that reorder or break a line (U+2028-202E, U+2066-2069).
bool is_deceptive(std::string_view character) {
  if (character.size() == 2) return character[0] == '\xC2' && character[1] < '\xA0';
  if (character.size() != 3 || character[0] != '\xE2') return false;
  if (character[1] == '\x80') return character[2] >= '\xA8' && character[2] <= '\xAE';
  return character[1] == '\x81' && character[2] >= '\xA6' && character[2] <= '\xA9';
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

std::string replace_invalid_utf8(std::string_view text, int64_t* replaced) {
  std::string out;
  out.reserve(text.size());
  int64_t count = 0;
  while (!text.empty()) {
    const Step next = step(text);
    out += next.valid ? text.substr(0, next.length) : std::string_view("\xEF\xBF\xBD");
    if (!next.valid) ++count;
    text.remove_prefix(next.length);
  }
  if (replaced != nullptr) *replaced = count;
  return out;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) code_point = 0xFFFD;
  if (code_point < 0x80) {
    put(code_point);
    return;
  }
  if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
  } else {
    if (code_point < 0x10000) {
      put(0xE0 | code_point >> 12);
    } else {
      put(0xF0 | code_point >> 18);
      put(0x80 | (code_point >> 12 & 0x3F));
    }
    put(0x80 | (code_point >> 6 & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Step next = step(text);
    const std::string_view character = text.substr(0, next.length);
    const auto first = static_cast<unsigned char>(character[0]);
    if (!next.valid || first < 0x20 || first == 0x7F || is_deceptive(character)) {
      for (const char byte : character)
        out += fmt::format("\\x{:02X}", static_cast<unsigned char>(byte));
    } else {
      out += character;
    }
    text.remove_prefix(next.length);
  }
  return out;
}

}  // namespace ballast
