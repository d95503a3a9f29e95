// Character classes by which quality rules cut words, lines and sentences: those of Python's str
// and of spaCy's English rules, as datatrove uses them. The table fixes decisions, so its Unicode
// version is pinned (scripts/make-word-tables). Built once at first use, then shared by all
// threads.
#pragma once

#include <cstdint>
#include <string_view>

namespace ballast {

enum WordMask : uint32_t {
  kBlank = 1 << 0,          // str.isspace()
  kLineEnd = 1 << 1,        // ends a line for str.splitlines()
  kAnyLetter = 1 << 2,      // str.isalpha()
  kDigit = 1 << 3,          // \d
  kWordChar = 1 << 4,       // \w
  kSymbol = 1 << 5,         // a word of these alone is no word for Gopher
  kTerminal = 1 << 6,       // ends a line well for FineWeb
  kPunctuation = 1 << 7,    // category P
  kSentenceEnd = 1 << 8,    // ends a sentence
  kPrefix = 1 << 9,         // is cut off in front of a word
  kSuffix = 1 << 10,        // is cut off behind a word
  kBeforePeriod = 1 << 11,  // a period behind it is cut off
  kAfterDigit = 1 << 12,    // is cut off behind a digit
  kAlpha = 1 << 13,         // letters of the scripts that the rules know
  kAlphaLower = 1 << 14,    // those that are lower case or without case
  kAlphaUpper = 1 << 15,    // those that are upper case or without case
  kLowerOrQuote = 1 << 16,
  kUpperOrQuote = 1 << 17,
  kIcon = 1 << 18,  // symbols that stand for themselves
};

// One mask per code point, 0x110000 entries.
const uint32_t* word_masks();

struct TextChar {
  uint32_t mask = 0;
  char32_t point = 0;
  uint32_t bytes = 1;
};

// The character of valid UTF-8 that begins at `at`, which must be within the text.
TextChar decode_multibyte(std::string_view text, size_t at, const uint32_t* masks);
inline TextChar text_char(std::string_view text, size_t at, const uint32_t* masks) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return {masks[byte], byte, 1};
  return decode_multibyte(text, at, masks);
}

// The character that ends at `end` > 0.
inline TextChar text_char_before(std::string_view text, size_t end, const uint32_t* masks) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return text_char(text, at, masks);
}

// Without blanks at the ends, as str.strip(), lstrip() and rstrip().
std::string_view strip_front(std::string_view text, const uint32_t* masks);
std::string_view strip_back(std::string_view text, const uint32_t* masks);
inline std::string_view strip(std::string_view text, const uint32_t* masks) {
  return strip_back(strip_front(text, masks), masks);
}

// The next line as str.splitlines() cuts them; `rest` is what comes after its end. False at the end
// of the text.
bool next_line(std::string_view& rest, std::string_view& line, const uint32_t* masks);

}  // namespace ballast
