#include "libcore/text/pii_strict.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <unordered_set>

#include "libcore/base/ascii.h"
#include "libcore/text/iban.h"
#include "libcore/text/ip_address.h"

namespace ballast {
namespace {

constexpr size_t kMaxLocalPart = 64;  // RFC 5321, 4.5.3.1
constexpr size_t kMaxHost = 253;
constexpr size_t kMaxLabel = 63;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word_byte(char c) { return is_ascii_alnum(c) || c == '_'; }
bool is_tail_byte(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// A letter or digit of a script that puts spaces around foreign words. Those of Han, kana, Hangul,
// Thai and the like may stand right beside an address that is no part of their word.
bool is_spaced_letter(UChar32 c) {
  if (c < 0x80) return is_ascii_alnum(static_cast<char>(c));
  if (!u_isalnum(c) && (U_GET_GC_MASK(c) & U_GC_M_MASK) == 0) return false;
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(c, &status);
  return script != USCRIPT_COMMON && script != USCRIPT_HANGUL &&
         !uscript_breaksBetweenLetters(script);
}

// The character that ends before `at` (0: none) and the one that begins there.
UChar32 char_before(std::string_view text, size_t at) {
  if (at == 0) return 0;
  size_t begin = at - 1;
  while (begin > 0 && at - begin < 4 && is_tail_byte(text[begin])) --begin;
  const char* data = text.data() + begin;
  auto i = static_cast<int32_t>(at - begin);
  UChar32 c = 0;
  U8_PREV(data, 0, i, c);
  return c;
}
UChar32 char_at(std::string_view text, size_t at) {
  if (at >= text.size()) return 0;
  size_t end = at + 1;
  while (end < text.size() && end - at < 4 && is_tail_byte(text[end])) ++end;
  return char_before(text, end);
}

// No letter, digit or underscore that would make the match a part of a longer word.
bool is_free_before(std::string_view text, size_t at) {
  const UChar32 c = char_before(text, at);
  return c != '_' && !is_spaced_letter(c);
}
bool is_free_after(std::string_view text, size_t at) {
  const UChar32 c = char_at(text, at);
  return c != '_' && !is_spaced_letter(c);
}

// ---- e-mail

bool is_local_byte(char c) {
  return is_word_byte(c) || c == '+' || c == '-' || c == '%' || c == '&' || c == '~' || c == '\'';
}

// Where the local part before `at` begins; `at` when there is none.
size_t find_local(std::string_view text, size_t floor, size_t at) {
  size_t begin = at;
  while (begin > floor && at - begin <= kMaxLocalPart) {
    const char c = text[begin - 1];
    if (is_local_byte(c)) {
      --begin;
    } else if (c == '.' && begin < at && text[begin] != '.') {
      --begin;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      size_t first = begin - 1;
      while (first > floor && is_tail_byte(text[first])) --first;
      if (!is_spaced_letter(char_before(text, begin))) break;
      begin = first;
    } else {
      break;
    }
  }
  if (at - begin > kMaxLocalPart) return at;
  // A quotation mark or a sign before the address is no part of it.
  while (begin < at && !is_word_byte(text[begin]) && static_cast<unsigned char>(text[begin]) < 0x80)
    ++begin;
  return begin;
}

// A name of the last level: letters, or an encoded one.
bool is_top_level(std::string_view label) {
  if (label.size() < 2) return false;
  if (label.size() > 4 && ascii_equal(label.substr(0, 4), "xn--")) return true;
  return std::all_of(label.begin(), label.end(), is_ascii_letter);
}

// End of the longest host at `begin` that ends with a name of the last level; 0: none.
size_t match_host(std::string_view text, size_t begin) {
  size_t end = 0, at = begin;
  for (int labels = 1; at < text.size() && is_ascii_alnum(text[at]); ++labels) {
    size_t last = at;
    while (last < text.size() && (is_ascii_alnum(text[last]) || text[last] == '-')) ++last;
    size_t trimmed = last;
    while (text[trimmed - 1] == '-') --trimmed;
    if (trimmed - at > kMaxLabel || trimmed - begin > kMaxHost) break;
    const std::string_view label = text.substr(at, trimmed - at);
    if (labels >= 2 && is_top_level(label) && !is_spaced_letter(char_at(text, trimmed))) {
      end = trimmed;
    }
    if (trimmed != last || last >= text.size() || text[last] != '.') break;
    at = last + 1;
  }
  return end;
}

// End of "[1.2.3.4]" or "[IPv6:...]"; 0: none.
size_t match_literal(std::string_view text, size_t begin) {
  constexpr size_t kLongest = 54;
  const std::string_view window = text.substr(begin, kLongest);
  const size_t close = window.find(']');
  if (close == std::string_view::npos) return 0;
  std::string_view inside = window.substr(1, close - 1);
  bool valid = false;
  if (inside.size() > 5 && ascii_equal(inside.substr(0, 5), "IPv6:")) {
    valid = parse_ipv6(inside.substr(5)).has_value();
  } else {
    valid = parse_ipv4(inside).has_value();
  }
  return valid ? begin + close + 1 : 0;
}

// logo@2x.png
bool is_image_name(std::string_view host) {
  const size_t dot = host.find('.');
  const std::string_view factor = host.substr(0, dot);
  if (factor.size() < 2 || ascii_lower(factor.back()) != 'x') return false;
  if (!std::all_of(factor.begin(), factor.end() - 1, is_ascii_digit)) return false;
  constexpr std::string_view kImages[] = {"png", "jpg", "jpeg", "gif", "svg", "webp", "avif"};
  return std::any_of(std::begin(kImages), std::end(kImages), [&](std::string_view image) {
    return ascii_equal(host.substr(dot + 1), image);
  });
}

class Finder {
 public:
  Finder(std::string_view text, const PiiPolicy& policy) : text_(text), policy_(policy) {}

  std::vector<PiiMatch> run() {
    if (wants(PiiKind::email)) find_emails();
    if (wants(PiiKind::ip)) find_addresses();
    if (wants(PiiKind::iban)) find_ibans();
    std::sort(found_.begin(), found_.end(), [](const PiiMatch& a, const PiiMatch& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
    });
    size_t end = 0;
    std::erase_if(found_, [&](const PiiMatch& match) {
      const bool overlaps = match.begin < end;
      if (!overlaps) end = match.end;
      return overlaps;
    });
    return std::move(found_);
  }

 private:
  bool wants(PiiKind kind) const { return policy_.actions[kind] != PiiAction::off; }
  bool is_at(size_t at, char c) const { return at < text_.size() && text_[at] == c; }

  void find_emails() {
    size_t floor = 0;
    for (size_t at = text_.find('@'); at != std::string_view::npos; at = text_.find('@', at + 1)) {
      if (at == 0 || at < floor || at + 1 == text_.size()) continue;
      const bool literal = text_[at + 1] == '[';
      size_t end = literal ? match_literal(text_, at + 1) : match_host(text_, at + 1);
      if (end == 0 || is_at(end, '@')) continue;
      if (is_image_name(text_.substr(at + 1, end - at - 1))) continue;
      size_t begin = find_local(text_, floor, at);
      if (begin == at || (begin > 0 && text_[begin - 1] == '@')) continue;
      if (text_[begin] == '_' && is_at(end, '_') && begin + 1 < at) ++begin;  // _emphasis_
      found_.push_back({begin, end, PiiKind::email});
      floor = end;
    }
  }

  void find_addresses() {
    size_t end = 0;
    for (size_t dot = text_.find('.'); dot != std::string_view::npos;
         dot = text_.find('.', std::max(dot + 1, end))) {
      end = take_ipv4(dot);
    }
    end = 0;
    for (size_t colon = text_.find(':'); colon != std::string_view::npos;
         colon = text_.find(':', std::max(colon + 1, end))) {
      end = take_ipv6(colon, end);
    }
  }

  // End of the run of digits and dots around the first `dot`, which is one address or none.
  size_t take_ipv4(size_t dot) {
    size_t begin = dot, end = dot;
    while (begin > 0 && dot - begin < 4 && is_ascii_digit(text_[begin - 1])) --begin;
    if (begin == dot) return dot + 1;
    while (end < text_.size() && (is_ascii_digit(text_[end]) || text_[end] == '.')) ++end;
    const size_t run = end;
    while (text_[end - 1] == '.') --end;
    const std::optional<uint32_t> address = parse_ipv4(text_.substr(begin, end - begin));
    if (!address || (policy_.public_addresses_only && !is_public(*address))) return run;
    const bool part = run != end && run < text_.size() && is_word_byte(text_[run]);
    if (part || !is_free_before(text_, begin) || !is_free_after(text_, end)) return run;
    if (begin > 0 && text_[begin - 1] == '.') return run;
    if (!names_version(begin)) found_.push_back({begin, end, PiiKind::ip});
    return run;
  }

  // "version 1.2.3.4", "Chrome/80.0.0.0", "§ 1.2.3.4".
  bool names_version(size_t begin) const {
    if (begin > 1 && text_[begin - 1] == '/') return is_word_byte(text_[begin - 2]);
    while (begin > 0 && (text_[begin - 1] == ' ' || text_[begin - 1] == '.')) --begin;
    size_t word = begin;
    while (word > 0 && begin - word < 10 && is_ascii_letter(text_[word - 1])) --word;
    const std::string_view before = text_.substr(word, begin - word);
    if (before.empty()) return char_before(text_, begin) == 0xA7;
    constexpr std::string_view kWords[] = {"version",  "ver",     "v",      "release",  "rel",
                                           "revision", "rev",     "build",  "firmware", "section",
                                           "chapter",  "article", "clause", "figure",   "table"};
    return std::any_of(std::begin(kWords), std::end(kWords),
                       [&](std::string_view known) { return ascii_equal(before, known); });
  }

  // End of the run of hexadecimal digits, colons and dots around the first `colon`.
  size_t take_ipv6(size_t colon, size_t floor) {
    size_t begin = colon, end = colon;
    while (begin > floor && colon - begin < 5 && hex_digit(text_[begin - 1]) >= 0) --begin;
    int64_t colons = 0;
    while (end < text_.size() &&
           (hex_digit(text_[end]) >= 0 || text_[end] == ':' || text_[end] == '.')) {
      colons += text_[end++] == ':' ? 1 : 0;
    }
    const size_t run = end;
    while (end > colon && text_[end - 1] == '.') --end;
    if (end - begin > 2 && text_[end - 1] == ':' && text_[end - 2] != ':') --end;
    const std::string_view word = text_.substr(begin, end - begin);
    if (colons < 2 || !std::any_of(word.begin(), word.end(), is_ascii_digit)) return run;
    const std::optional<Ipv6> address = parse_ipv6(word);
    if (!address || (policy_.public_addresses_only && !is_public(*address))) return run;
    const bool eui64 = word.size() == 23 && word.find("::") == std::string_view::npos;
    if (eui64 || !is_free_before(text_, begin) || !is_free_after(text_, end)) return run;
    if (begin > 0 && (text_[begin - 1] == '.' || text_[begin - 1] == ':')) return run;
    found_.push_back({begin, end, PiiKind::ip});
    return run;
  }

  void find_ibans() {
    for (size_t at = 0; at + 15 <= text_.size(); ++at) {
      if (!is_ascii_digit(text_[at + 2])) {
        at += is_upper(text_[at + 2]) ? 0 : 2;
        continue;
      }
      if (!is_upper(text_[at]) || !is_upper(text_[at + 1]) || !is_ascii_digit(text_[at + 3]))
        continue;
      const size_t length = iban_length(text_.substr(at, 2));
      if (length == 0 || !is_free_before(text_, at)) continue;
      const size_t end = match_iban(at, length);
      if (end == 0 || !is_free_after(text_, end)) continue;
      found_.push_back({at, end, PiiKind::iban});
      at = end - 1;
    }
  }

  // Bytes of the separator that groups an IBAN at `at`: 0 where there is none.
  size_t separator_at(size_t at) const {
    for (const std::string_view known : {" ", "-", "\u00A0", "\u202F"}) {
      if (text_.substr(at).starts_with(known)) return known.size();
    }
    return 0;
  }

  // The end of `length` characters, compact or in groups of four; 0 where they are no IBAN.
  size_t match_iban(size_t begin, size_t length) const {
    char compact[kMaxIbanLength];
    const size_t gap = separator_at(begin + 4);
    const std::string_view separator = text_.substr(begin + 4, gap);
    size_t at = begin;
    for (size_t i = 0; i < length; ++i) {
      if (gap > 0 && i > 0 && i % 4 == 0) {
        if (!text_.substr(at).starts_with(separator)) return 0;
        at += gap;
      }
      if (at == text_.size() || (!is_upper(text_[at]) && !is_ascii_digit(text_[at]))) return 0;
      compact[i] = text_[at++];
    }
    return is_iban({compact, length}) ? at : 0;
  }

  std::string_view text_;
  const PiiPolicy& policy_;
  std::vector<PiiMatch> found_;
};

}  // namespace

std::vector<PiiMatch> find_pii(std::string_view text, const PiiPolicy& policy) {
  return Finder(text, policy).run();
}

PiiCounts redact_strictly(std::string& text, const PiiPolicy& policy) {
  const std::vector<PiiMatch> matches = find_pii(text, policy);
  PiiCounts counts;
  if (matches.empty()) return counts;
  std::unordered_set<std::string_view> seen;
  std::string out;
  out.reserve(text.size());
  size_t copied = 0;
  for (const PiiMatch& match : matches) {
    const std::string_view hit =
        std::string_view(text).substr(match.begin, match.end - match.begin);
    if (seen.insert(hit).second) ++counts[match.kind];
    if (policy.actions[match.kind] == PiiAction::keep) continue;
    out.append(text, copied, match.begin - copied).append(policy.markers[match.kind]);
    copied = match.end;
  }
  out.append(text, copied);
  text = std::move(out);
  return counts;
}

}  // namespace ballast
