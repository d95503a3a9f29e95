#include "libcore/text/quality/words.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "libcore/base/ascii.h"
#include "libcore/text/quality/word_class.h"
#include "libcore/text/quality/word_rules.h"

namespace ballast {
namespace {

enum class Kind : uint8_t { letter, other, blank, multibyte };

std::array<Kind, 256> make_kinds() {
  std::array<Kind, 256> kinds{};
  for (size_t c = 0; c < 256; ++c) {
    const bool letter = c < 128 && is_ascii_letter(static_cast<char>(c));
    const bool blank = c < 128 && (word_masks()[c] & kBlank) != 0;
    kinds[c] = c >= 128 ? Kind::multibyte
               : letter ? Kind::letter
               : blank  ? Kind::blank
                        : Kind::other;
  }
  return kinds;
}

size_t dots_at(std::string_view text, size_t at) {
  return std::min(text.find_first_not_of('.', at), text.size()) - at;
}

// Bytes to cut off in front of a chunk, 0 for none.
size_t prefix_bytes(std::string_view chunk, const uint32_t* masks) {
  if (chunk.empty()) return 0;
  const TextChar c = text_char(chunk, 0, masks);
  if ((c.mask & kPrefix) != 0) return c.bytes;
  switch (c.point) {
    case '.': {
      const size_t dots = dots_at(chunk, 0);
      return dots >= 2 ? dots : 0;
    }
    case '+':
      return chunk.size() > 1 && is_ascii_digit(chunk[1]) ? 0 : 1;
    case 'U':
      return chunk.starts_with("US$") ? 3 : 0;
    case 'C':
    case 'A':
      return chunk.substr(1).starts_with('$') ? 2 : 0;
    default:
      return 0;
  }
}

// Bytes of a unit or currency at the end that stands behind a digit.
size_t unit_bytes(std::string_view chunk, const uint32_t* masks) {
  constexpr size_t kLongest = 12;
  size_t begin = chunk.size();
  while (begin > 0 && !is_ascii_digit(chunk[begin - 1])) {
    if (chunk.size() - begin == kLongest) return 0;
    --begin;
  }
  if (begin == 0 || begin == chunk.size()) return 0;
  const std::string_view unit = chunk.substr(begin);
  const TextChar c = text_char(unit, 0, masks);
  const bool single = c.bytes == unit.size() && (c.mask & kAfterDigit) != 0;
  return single || WordRules::get().is_unit(unit) ? unit.size() : 0;
}

// Whether a single period at the end is no part of what stands before it.
bool cuts_period(std::string_view before, const uint32_t* masks) {
  if (before.empty()) return false;
  const TextChar last = text_char_before(before, before.size(), masks);
  if ((last.mask & kBeforePeriod) != 0) return true;
  if ((last.mask & kAlphaUpper) == 0) return false;
  const std::string_view rest = before.substr(0, before.size() - last.bytes);
  if (rest.empty()) return false;
  const TextChar second = text_char_before(rest, rest.size(), masks);
  const bool degrees = last.point == 'F' || last.point == 'C' || last.point == 'K';
  return (second.mask & kAlphaUpper) != 0 || (degrees && second.point == U'°');
}

// Bytes to cut off behind a chunk, 0 for none.
size_t suffix_bytes(std::string_view chunk, const uint32_t* masks) {
  if (chunk.empty()) return 0;
  const TextChar last = text_char_before(chunk, chunk.size(), masks);
  if ((last.mask & kSuffix) != 0) {
    const bool twice = last.point == U'…' && chunk.ends_with("……");
    return twice ? 2 * last.bytes : last.bytes;
  }
  if (last.point == '.') {
    const size_t before = chunk.find_last_not_of('.');
    const size_t dots = chunk.size() - (before == std::string_view::npos ? 0 : before + 1);
    if (dots >= 2) return dots;
    return cuts_period(chunk.substr(0, chunk.size() - 1), masks) ? 1 : 0;
  }
  if (last.point == 's' || last.point == 'S') {
    const std::string_view before = chunk.substr(0, chunk.size() - 1);
    if (before.ends_with('\'')) return 2;
    if (before.ends_with("’")) return 4;
  }
  return unit_bytes(chunk, masks);
}

// Characters around a place in a chunk; a mask of 0 stands for its ends.
struct Around {
  std::string_view chunk;
  const uint32_t* masks;
  uint32_t before_mask = 0;
  bool digit_before = false;
  TextChar at(size_t i) const {
    return i < chunk.size() ? text_char(chunk, i, masks) : TextChar{0, 0, 0};
  }
};

// Bytes of the infix that begins at `at`, 0 for none.
size_t infix_bytes(const Around& around, size_t at, const TextChar& c) {
  const std::string_view chunk = around.chunk;
  const bool alpha = (around.before_mask & kAlpha) != 0;
  const auto before_alpha = [&](size_t bytes) {
    return (around.at(at + bytes).mask & kAlpha) != 0 ? bytes : 0;
  };
  if (c.point == '.') {
    const size_t dots = dots_at(chunk, at);
    if (dots >= 2) return dots;
    const bool capital = (around.at(at + 1).mask & kUpperOrQuote) != 0;
    return (around.before_mask & kLowerOrQuote) != 0 && capital ? 1 : 0;
  }
  if (c.point == U'…' || (c.mask & kIcon) != 0) return c.bytes;
  const bool sign = c.point == '+' || c.point == '-' || c.point == '*' || c.point == '^';
  if (sign && around.digit_before) {
    const TextChar next = around.at(at + 1);
    if (next.point == '-' || (next.point < 0x80 && (next.mask & kDigit) != 0)) return 1;
  }
  if (c.point == ',') return alpha ? before_alpha(1) : 0;
  if (!alpha && !around.digit_before) return 0;
  switch (c.point) {
    case '-':  // up to three
      for (size_t n = 1; n <= 3; ++n) {
        if (before_alpha(n) > 0) return n;
        if (around.at(at + n).point != '-') return 0;
      }
      return 0;
    case U'—':
      if (before_alpha(3) > 0) return 3;
      return around.at(at + 3).point == U'—' ? before_alpha(6) : 0;
    case U'–':
    case '~':
    case ':':
    case '<':
    case '>':
    case '=':
    case '/':
      return before_alpha(c.bytes);
    default:
      return 0;
  }
}

}  // namespace

// Exceptions that affixes would tear apart, as the words they would be torn into; by the first one.
struct TornExceptions {
  std::unordered_map<std::string_view, std::vector<std::vector<std::string_view>>> by_first;

  TornExceptions() {
    WordSplitter splitter;
    for (const auto& [rule, words] : WordRules::get().exceptions()) {
      splitter.tokens_.clear();
      splitter.cut_chunk(rule, 0, static_cast<uint32_t>(rule.size()), false);
      if (splitter.tokens_.size() < 2) continue;
      std::vector<std::string_view> parts;
      for (const auto& token : splitter.tokens_) {
        parts.push_back(rule.substr(token.begin, token.end - token.begin));
      }
      by_first[parts[0]].push_back(std::move(parts));
    }
  }
  static const TornExceptions& get() {
    static const TornExceptions torn;
    return torn;
  }
};

bool WordSplitter::push_exception(std::string_view text, uint32_t begin, uint32_t end) {
  const auto* words = WordRules::get().exception(text.substr(begin, end - begin));
  if (words == nullptr) return false;
  for (std::string_view word : *words) {
    push(begin, begin + static_cast<uint32_t>(word.size()));
    begin += static_cast<uint32_t>(word.size());
  }
  return true;
}

void WordSplitter::cut_infixes(std::string_view text, uint32_t begin, uint32_t end) {
  Around around{text.substr(begin, end - begin), word_masks()};
  uint32_t start = begin;
  for (size_t at = 0; at < around.chunk.size();) {
    const TextChar c = around.at(at);
    const bool ordinary = c.point < 0x80 && is_ascii_alnum(static_cast<char>(c.point));
    size_t size = ordinary ? 0 : infix_bytes(around, at, c);
    if (size > 0 && at > 0) {
      const auto here = static_cast<uint32_t>(begin + at);
      if (here > start) push(start, here);
      start = here + static_cast<uint32_t>(size);
      push(here, start);
    }
    if (size == 0) size = c.bytes;
    at += size;
    const TextChar last = text_char_before(around.chunk, at, around.masks);
    around.before_mask = last.mask;
    around.digit_before = last.point < 0x80 && (last.mask & kDigit) != 0;
  }
  if (start < end) push(start, end);
}

void WordSplitter::cut_core(std::string_view text, uint32_t begin, uint32_t end, bool exceptions) {
  if (exceptions && push_exception(text, begin, end)) return;
  if (is_url_word(text.substr(begin, end - begin))) {
    push(begin, end);
  } else {
    cut_infixes(text, begin, end);
  }
}

void WordSplitter::cut_chunk(std::string_view text, uint32_t begin, uint32_t end, bool exceptions) {
  const uint32_t* masks = word_masks();
  const WordRules& rules = WordRules::get();
  const auto whole = [&](std::string_view part) {
    return exceptions && !part.empty() && rules.exception(part) != nullptr;
  };
  suffixes_.clear();
  for (uint32_t last = 0; begin < end && end - begin != last;) {
    const std::string_view chunk = text.substr(begin, end - begin);
    if (whole(chunk)) break;
    last = end - begin;
    const auto prefix = static_cast<uint32_t>(prefix_bytes(chunk, masks));
    if (prefix > 0 && whole(chunk.substr(prefix))) {
      push(begin, begin + prefix);
      begin += prefix;
      break;
    }
    const auto suffix = static_cast<uint32_t>(suffix_bytes(chunk.substr(prefix), masks));
    if (suffix > 0) suffixes_.push_back({end - suffix, end});
    if (suffix > 0 && whole(chunk.substr(0, chunk.size() - suffix))) {
      end -= suffix;
      break;
    }
    if (prefix > 0) push(begin, begin + prefix);
    begin += prefix;
    end -= suffix;
  }
  if (begin < end) cut_core(text, begin, end, exceptions);
  tokens_.insert(tokens_.end(), suffixes_.rbegin(), suffixes_.rend());
}

void WordSplitter::cut(std::string_view text) {
  static const std::array<Kind, 256> kinds = make_kinds();
  const uint32_t* masks = word_masks();
  const WordRules& rules = WordRules::get();
  tokens_.clear();
  const auto size = static_cast<uint32_t>(text.size());
  bool after_word = false;
  for (uint32_t at = 0; at < size;) {
    const uint32_t begin = at;
    bool plain = true;
    while (at < size) {
      const Kind kind = kinds[static_cast<unsigned char>(text[at])];
      if (kind == Kind::letter) {
        ++at;
        continue;
      }
      if (kind == Kind::blank) break;
      uint32_t bytes = 1;
      if (kind == Kind::multibyte) {
        const TextChar c = text_char(text, at, masks);
        if ((c.mask & kBlank) != 0) break;
        bytes = c.bytes;
      }
      plain = false;
      at += bytes;
    }
    if (at > begin) {
      if (!plain) {
        cut_chunk(text, begin, at, true);
      } else if (rules.exception(text.substr(begin, at - begin)) != nullptr) {
        push_exception(text, begin, at);
      } else {
        tokens_.push_back({begin, at, true});
      }
      after_word = true;
    }
    // One space behind a word is only a separator; more blanks are a token that ends no word.
    uint32_t blank = at;
    while (at < size) {
      const TextChar c = text_char(text, at, masks);
      if ((c.mask & kBlank) == 0) break;
      at += c.bytes;
    }
    if (after_word && blank < at && text[blank] == ' ') ++blank;
    if (blank < at) tokens_.push_back({blank, at, false, true});
  }
  join_exceptions(text);
}

// Of spans that share tokens the longest stays, then the first; a span that does not stay keeps
// shorter ones away all the same.
void WordSplitter::keep_longest_spans() {
  std::sort(spans_.begin(), spans_.end(), [](const Span& a, const Span& b) {
    const size_t left = a.last - a.first, right = b.last - b.first;
    return left != right ? left > right : a.first < b.first;
  });
  kept_.clear();
  seen_.assign(tokens_.size(), false);
  for (const Span& span : spans_) {
    if (!seen_[span.first] && !seen_[span.last]) kept_.push_back(span);
    for (size_t i = span.first; i <= span.last; ++i) seen_[i] = true;
  }
  std::sort(kept_.begin(), kept_.end(),
            [](const Span& a, const Span& b) { return a.first < b.first; });
}

void WordSplitter::join_exceptions(std::string_view text) {
  const auto& torn = TornExceptions::get().by_first;
  const auto word = [&](size_t i) {
    return text.substr(tokens_[i].begin, tokens_[i].end - tokens_[i].begin);
  };
  spans_.clear();
  for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
    if (tokens_[i].plain && tokens_[i + 1].plain) continue;
    const auto found = torn.find(word(i));
    if (found == torn.end()) continue;
    for (const std::vector<std::string_view>& parts : found->second) {
      if (tokens_.size() - i < parts.size()) continue;
      size_t k = 1;
      while (k < parts.size() && word(i + k) == parts[k]) ++k;
      if (k == parts.size()) spans_.push_back({i, i + k - 1});
    }
  }
  if (spans_.empty()) return;
  keep_longest_spans();
  joined_.swap(tokens_);
  tokens_.clear();
  const std::vector<Token>& old = joined_;
  size_t from = 0;
  for (const Span& span : kept_) {
    tokens_.insert(tokens_.end(), old.begin() + static_cast<std::ptrdiff_t>(from),
                   old.begin() + static_cast<std::ptrdiff_t>(span.first));
    from = span.first;
    if (push_exception(text, old[span.first].begin, old[span.last].end)) from = span.last + 1;
  }
  tokens_.insert(tokens_.end(), old.begin() + static_cast<std::ptrdiff_t>(from), old.end());
}

void WordSplitter::split(std::string_view text, std::vector<Word>& words) {
  const uint32_t* masks = word_masks();
  cut(text);
  words.clear();
  for (const Token& token : tokens_) {
    if (token.blank) continue;
    Word word{token.begin, token.end};
    if (token.plain) {
      word.chars = token.end - token.begin;
      word.letters = true;
      words.push_back(word);
      continue;
    }
    word.symbols = true;
    for (uint32_t at = token.begin; at < token.end; ++word.chars) {
      const TextChar c = text_char(text, at, masks);
      word.letters = word.letters || (c.mask & kAnyLetter) != 0;
      word.symbols = word.symbols && (c.mask & kSymbol) != 0;
      at += c.bytes;
    }
    words.push_back(word);
  }
}

int64_t WordSplitter::count_sentences(std::string_view text) {
  const uint32_t* masks = word_masks();
  cut(text);
  int64_t sentences = 1;
  bool ended = false;
  for (const Token& token : tokens_) {
    const TextChar first = text_char(text, token.begin, masks);
    const bool ends = (first.mask & kSentenceEnd) != 0 && first.bytes == token.end - token.begin;
    if (ends) {
      ended = true;
      continue;
    }
    if (!ended || token.plain) {
      sentences += ended ? 1 : 0;
      ended = false;
      continue;
    }
    bool punctuation = true;
    for (uint32_t at = token.begin; at < token.end && punctuation;) {
      const TextChar c = text_char(text, at, masks);
      punctuation = (c.mask & kPunctuation) != 0;
      at += c.bytes;
    }
    if (punctuation) continue;
    ++sentences;
    ended = false;
  }
  return sentences;
}

}  // namespace ballast
