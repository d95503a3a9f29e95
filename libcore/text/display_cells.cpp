#include "libcore/text/display_cells.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cstdint>

namespace ballast {
namespace {

size_t cells_of(UChar32 c) {
  if (c < 0) return 1;
  constexpr uint32_t kNoCell = U_GC_MN_MASK | U_GC_ME_MASK | U_GC_CF_MASK;
  const bool soft_hyphen = c == 0xAD;  // terminals show it
  if ((U_MASK(u_charType(c)) & kNoCell) != 0 && !soft_hyphen) return 0;
  // Vowels and finals of Korean syllables written in parts stand in the cells of the first part.
  const int syllable = u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE);
  if (syllable == U_HST_VOWEL_JAMO || syllable == U_HST_TRAILING_JAMO) return 0;
  const int width = u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

// Cells of the character at `at`, which moves behind it.
size_t next_cells(std::string_view text, size_t& at) {
  const std::string_view rest = text.substr(at, 4);  // ICU counts in 32 bits
  const auto* bytes = reinterpret_cast<const uint8_t*>(rest.data());
  const auto size = static_cast<int32_t>(rest.size());
  int32_t length = 0;
  UChar32 c = 0;
  U8_NEXT(bytes, length, size, c);
  at += static_cast<size_t>(length);
  return cells_of(c);
}

}  // namespace

std::string_view fit_cells(std::string_view text, size_t cells) {
  size_t end = 0;
  for (size_t next = 0, used = 0; next < text.size(); end = next) {
    used += next_cells(text, next);
    if (used > cells) break;
  }
  return text.substr(0, end);
}

size_t display_cells(std::string_view text) {
  size_t cells = 0;
  for (size_t at = 0; at < text.size();) cells += next_cells(text, at);
  return cells;
}

std::string elide_middle(std::string_view text, size_t cells) {
  constexpr std::string_view kGap = "...";
  const size_t whole = display_cells(text);
  if (whole <= cells) return std::string(text);
  const size_t room = cells - kGap.size();
  const std::string_view head = fit_cells(text, (room + 1) / 2);
  size_t at = 0;
  for (size_t left = whole; left > room / 2;) left -= next_cells(text, at);
  while (at < text.size()) {  // marks of the character that went
    size_t next = at;
    if (next_cells(text, next) > 0) break;
    at = next;
  }
  return std::string(head) + std::string(kGap) + std::string(text.substr(at));
}

std::string column_of(std::string_view text, size_t cells) {
  std::string cell = elide_middle(text, cells);
  return cell + std::string(cells - display_cells(cell), ' ');
}

}  // namespace ballast
