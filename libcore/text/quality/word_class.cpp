#include "libcore/text/quality/word_class.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace ballast {
namespace {

struct Row {
  uint32_t first, mask;
};
constexpr Row kRows[] = {
#include "libcore/text/quality/word_classes.inc"
};

std::vector<uint32_t> expand() {
  std::vector<uint32_t> masks(0x110000);
  for (size_t i = 0; i < std::size(kRows); ++i) {
    const size_t next = i + 1 < std::size(kRows) ? kRows[i + 1].first : masks.size();
    std::fill(masks.begin() + kRows[i].first, masks.begin() + static_cast<std::ptrdiff_t>(next),
              kRows[i].mask);
  }
  return masks;
}

}  // namespace

const uint32_t* word_masks() {
  static const std::vector<uint32_t> masks = expand();
  return masks.data();
}

TextChar decode_multibyte(std::string_view text, size_t at, const uint32_t* masks) {
  const auto bits = [&](size_t i, unsigned mask) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]) & mask);
  };
  const char32_t lead = bits(0, 0xFF);
  const uint32_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || text.size() - at < bytes) return {0, 0xFFFD, 1};
  char32_t point = bytes == 2 ? lead & 0x1F : bytes == 3 ? lead & 0x0F : lead & 0x07;
  for (size_t i = 1; i < bytes; ++i) point = point << 6 | bits(i, 0x3F);
  if (point > 0x10FFFF) return {0, 0xFFFD, 1};
  return {masks[point], point, bytes};
}

std::string_view strip_front(std::string_view text, const uint32_t* masks) {
  while (!text.empty()) {
    const TextChar c = text_char(text, 0, masks);
    if ((c.mask & kBlank) == 0) break;
    text.remove_prefix(c.bytes);
  }
  return text;
}

std::string_view strip_back(std::string_view text, const uint32_t* masks) {
  while (!text.empty()) {
    const TextChar c = text_char_before(text, text.size(), masks);
    if ((c.mask & kBlank) == 0) break;
    text.remove_suffix(c.bytes);
  }
  return text;
}

bool next_line(std::string_view& rest, std::string_view& line, const uint32_t* masks) {
  if (rest.empty()) return false;
  size_t at = 0;
  while (at < rest.size()) {
    const auto byte = static_cast<unsigned char>(rest[at]);
    if (byte >= 0x20 && byte < 0x80) {  // no ASCII character from the space on ends a line
      ++at;
      continue;
    }
    const TextChar c = text_char(rest, at, masks);
    if ((c.mask & kLineEnd) == 0) {
      at += c.bytes;
      continue;
    }
    line = rest.substr(0, at);
    const bool pair = c.point == '\r' && rest.substr(at + 1).starts_with('\n');
    rest.remove_prefix(at + c.bytes + (pair ? 1 : 0));
    return true;
  }
  line = rest;
  rest = {};
  return true;
}

}  // namespace ballast
