#include "libcore/text/split_pattern.h"

#include <bit>

#include "libcore/base/bytes.h"
#include "libcore/text/unicode_class.h"

namespace ballast {
namespace {

struct Spelling {
  SplitPattern pattern;
  std::string_view regex;
};

// The first spelling of a pattern is the one that we write; the others mean the same.
constexpr Spelling kSpellings[] = {
    {SplitPattern::gpt2,
     R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {SplitPattern::gpt2,
     R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {SplitPattern::gpt2,
     R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)"},
    {SplitPattern::cl100k,
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)"},
    {SplitPattern::cl100k,
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)"},
    {SplitPattern::llama3,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::qwen2,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::o200k,
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::tekken,
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

constexpr uint8_t kUpperSide = kUpper | kCaseless | kMark;  // first half of a cased word
constexpr uint8_t kLowerSide = kLower | kCaseless | kMark;  // second half
constexpr uint8_t kVisible = kLetter | kNumber | kSpace;    // what [^\s\p{L}\p{N}] excludes

bool is_newline(char byte) { return byte == '\r' || byte == '\n'; }

// A scanner over one text; positions are pointers, `end_` is one past the last byte.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : end_(text.data() + text.size()), masks_(char_masks()) {}

  template <SplitPattern P>
  const char* piece_end(const char* p) const {
    if constexpr (P == SplitPattern::gpt2) return gpt2_end(p);
    const Char c = char_at(p, end_, masks_);
    const char* after = p + c.bytes;
    if constexpr (P == SplitPattern::o200k || P == SplitPattern::tekken) {
      if (const char* word = cased_word(p, c)) {
        if constexpr (P == SplitPattern::o200k) word += contraction<true>(word);
        return word;
      }
      if (c.mask & kNumber) return digits(after, P == SplitPattern::o200k ? 2 : 0);
    } else {
      if (c.mask & kLetter) return letters(after);
      if (c.mask & kNumber) return digits(after, P == SplitPattern::qwen2 ? 0 : 2);
      if (const int bytes = contraction<true>(p)) return p + bytes;
      if (!is_newline(*p) && after < end_) {
        const Char next = char_at(after, end_, masks_);
        if (next.mask & kLetter) return letters(after + next.bytes);
      }
    }
    if (!(c.mask & kSpace) || (*p == ' ' && starts_symbol(after))) {
      const char* symbols = run_without(after, kVisible);
      constexpr bool kSlash = P == SplitPattern::o200k || P == SplitPattern::tekken;
      while (symbols < end_ && (is_newline(*symbols) || (kSlash && *symbols == '/'))) ++symbols;
      return symbols;
    }
    return whitespace_end<true, P == SplitPattern::cl100k>(p);
  }

 private:
  // The end of a run of letters. Eight ASCII bytes are judged at once: most words end there, and
  // the length of a word is what a branch predictor cannot know.
  const char* letters(const char* p) const {
    constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
    while (end_ - p >= 8) {
      const auto word = load_le<uint64_t>(p);
      const uint64_t lower = (word | 0x20 * kOnes) & ~kHigh;
      const uint64_t from_a = lower + (0x80 - 'a') * kOnes, past_z = lower + (0x7F - 'z') * kOnes;
      const uint64_t others = ~(from_a & ~past_z & ~word) & kHigh;
      if (others == 0) {
        p += 8;
        continue;
      }
      p += std::countr_zero(others) / 8;
      if (static_cast<uint8_t>(*p) < 0x80) return p;
      break;
    }
    return run(p, kLetter);
  }

  const char* run(const char* p, uint8_t mask) const {
    while (p < end_) {
      const Char c = char_at(p, end_, masks_);
      if (!(c.mask & mask)) break;
      p += c.bytes;
    }
    return p;
  }

  const char* run_without(const char* p, uint8_t mask) const {
    while (p < end_) {
      const Char c = char_at(p, end_, masks_);
      if (c.mask & mask) break;
      p += c.bytes;
    }
    return p;
  }

  const char* digits(const char* p, int more) const {
    for (; more > 0 && p < end_; --more) {
      const Char c = char_at(p, end_, masks_);
      if (!(c.mask & kNumber)) break;
      p += c.bytes;
    }
    return p;
  }

  bool starts_symbol(const char* p) const {
    return p < end_ && !(char_at(p, end_, masks_).mask & kVisible);
  }

  // Bytes of an English contraction at p, or 0. Without case, s is also U+017F (long s).
  template <bool kAnyCase>
  int contraction(const char* p) const {
    if (end_ - p < 2 || *p != '\'') return 0;
    const auto fold = [p](int i) { return kAnyCase ? static_cast<char>(p[i] | 0x20) : p[i]; };
    const char first = fold(1);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    if (end_ - p < 3) return 0;
    if (kAnyCase && p[1] == '\xC5' && p[2] == '\xBF') return 3;
    const char second = fold(2);
    const bool is_pair = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                         (first == 'l' && second == 'l');
    return is_pair ? 3 : 0;
  }

  // Whitespace from p on: the whole run at the end of the text (if kWholeEnd); else up to the last
  // line break of the run (if kBreaks); else the whole run at the end of the text; else all but its
  // last character, which belongs to the next piece; else it.
  template <bool kBreaks, bool kWholeEnd = false>
  const char* whitespace_end(const char* p) const {
    const char *last = p, *after_break = nullptr, *q = p;
    while (q < end_) {
      const Char c = char_at(q, end_, masks_);
      if (!(c.mask & kSpace)) break;
      last = q;
      if (is_newline(*q)) after_break = q + 1;
      q += c.bytes;
    }
    if (kWholeEnd && q == end_) return q;
    if (kBreaks && after_break) return after_break;
    return q == end_ || last == p ? q : last;
  }

  struct Word {
    const char* end;
    bool lower;  // it ends in lower case: the first of the two word alternatives
  };

  // Upper side then lower side from p on. If no lower side follows the upper run, the regex engine
  // would give back characters until one is on both sides.
  Word word_at(const char* p) const {
    const char *q = p, *both = nullptr;
    while (q < end_) {
      const Char c = char_at(q, end_, masks_);
      if (!(c.mask & kUpperSide)) break;
      q += c.bytes;
      if (c.mask & kLowerSide) both = q;
    }
    const char* lower = run(q, kLowerSide);
    if (lower > q) return {lower, true};
    if (both) return {both, true};
    return {q, false};
  }

  // A word with an optional leading character that is neither line break, letter nor number.
  // Alternatives in order: lower with lead, lower without, upper with, upper without.
  const char* cased_word(const char* p, Char c) const {
    if (c.mask & kLetter) return word_at(p).end;
    if ((c.mask & kNumber) || is_newline(*p)) return nullptr;
    const char* after = p + c.bytes;
    const Word led = word_at(after);
    if (led.lower) return led.end;
    if (c.mask & kMark) return word_at(p).end;
    return led.end > after ? led.end : nullptr;
  }

  const char* gpt2_end(const char* p) const {
    if (const int bytes = contraction<false>(p)) return p + bytes;
    const char* start = *p == ' ' ? p + 1 : p;
    if (start < end_) {
      const Char c = char_at(start, end_, masks_);
      const char* after = start + c.bytes;
      if (c.mask & kLetter) return letters(after);
      if (c.mask & kNumber) return run(after, kNumber);
      if (!(c.mask & kSpace)) return run_without(after, kVisible);
    }
    return whitespace_end<false>(p);
  }

  const char* end_;
  const uint8_t* masks_;
};

template <SplitPattern P>
size_t split(std::string_view text, size_t from, std::span<size_t> ends) {
  const Scanner scanner(text);
  const char* p = text.data() + from;
  const char* end = text.data() + text.size();
  size_t count = 0;
  while (p < end && count < ends.size()) {
    p = scanner.piece_end<P>(p);
    ends[count++] = static_cast<size_t>(p - text.data());
  }
  return count;
}

}  // namespace

std::string_view split_pattern_regex(SplitPattern pattern) {
  for (const Spelling& spelling : kSpellings)
    if (spelling.pattern == pattern) return spelling.regex;
  return {};
}

std::optional<SplitPattern> known_split_pattern(std::string_view regex) {
  for (const Spelling& spelling : kSpellings)
    if (spelling.regex == regex) return spelling.pattern;
  return std::nullopt;
}

SplitFunction split_function(SplitPattern pattern) {
  switch (pattern) {
    case SplitPattern::gpt2:
      return split<SplitPattern::gpt2>;
    case SplitPattern::cl100k:
      return split<SplitPattern::cl100k>;
    case SplitPattern::llama3:
      return split<SplitPattern::llama3>;
    case SplitPattern::qwen2:
      return split<SplitPattern::qwen2>;
    case SplitPattern::o200k:
      return split<SplitPattern::o200k>;
    case SplitPattern::tekken:
      return split<SplitPattern::tekken>;
  }
  return nullptr;
}

}  // namespace ballast
