#include "libcore/dedup/simplify.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/io/utf8.h"
#include "libcore/text/quality/word_class.h"

namespace ballast {
namespace {

// Punctuation that becomes a blank, besides control characters; marks of other scripts stay.
constexpr char32_t kPunctuationMarks[] =
    U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    U"\u00AB\u00B4\u00BB\u2013\u2014\u2019\u201C\u201D\u201E\u2026\u2236\u2501\u25BA\u3001\u3002"
    U"\u3008\u3009\u300A\u300B\u300C\u300D\u3010\u3011\uFF01\uFF05\uFF08\uFF09\uFF0C\uFF0E\uFF11"
    U"\uFF1A\uFF1B\uFF1F\uFF5E";
constexpr char32_t kDecimalMarks[] = U".,\u060C\u066B\u2396\u2397\u2398";
constexpr char32_t kEnd = 0x110000;

bool is_control(char32_t c) { return c < 9 || (c >= 11 && c < 32) || (c >= 127 && c < 160); }

enum Kind : uint8_t { plain, mapped, blank, digit, sorted_mark };

struct Tables {
  std::vector<Kind> kinds;
  std::vector<uint32_t> places;  // of a mapped character: into `texts`, its length first
  std::string texts;
  Tables();

 private:
  void add(char32_t c, const icu::Normalizer2& nfd);
};

// The decomposition without marks.
std::string without_marks(const icu::UnicodeString& text) {
  icu::UnicodeString left;
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    const UChar32 c = text.char32At(i);
    if (u_charType(c) != U_NON_SPACING_MARK) left.append(c);
  }
  std::string utf8;
  return left.toUTF8String(utf8);
}

icu::UnicodeString decompose(const icu::UnicodeString& text) {
  UErrorCode error = U_ZERO_ERROR;
  icu::UnicodeString out = icu::Normalizer2::getNFDInstance(error)->normalize(text, error);
  BALLAST_CHECK(U_SUCCESS(error));
  return out;
}

void Tables::add(char32_t c, const icu::Normalizer2& nfd) {
  const auto point = static_cast<UChar32>(c);
  icu::UnicodeString lower(point);
  lower.toLower(icu::Locale::getRoot());
  if (nfd.getCombiningClass(point) != 0 && u_charType(point) != U_NON_SPACING_MARK) {
    kinds[c] = sorted_mark;
    return;
  }
  const std::string now = without_marks(decompose(lower));
  std::string before;
  append_utf8(before, c);
  if (now == before) return;
  kinds[c] = mapped;
  places[c] = static_cast<uint32_t>(texts.size());
  texts += static_cast<char>(now.size());
  texts += now;
}

// Nothing beyond the second plane has mappings or decompositions; variation selectors are marks.
Tables::Tables() : kinds(kEnd, plain), places(kEnd) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  BALLAST_CHECK(U_SUCCESS(error));
  for (char32_t c = 0; c < 0x30000; ++c) {
    if (c < 0xD800 || c > 0xDFFF) add(c, *nfd);
  }
  for (char32_t c = 0xE0000; c < 0xE0200; ++c) add(c, *nfd);
  const uint32_t* masks = word_masks();
  for (char32_t c = 0; c < kEnd; ++c) {
    if (masks[c] & kBlank || is_control(c)) kinds[c] = blank;
    if (masks[c] & kDigit) kinds[c] = digit;
  }
  for (const char32_t* c = kPunctuationMarks; *c; ++c) {
    if (kinds[*c] != digit) kinds[*c] = blank;
  }
}

const Tables& tables() {
  static const Tables made;
  return made;
}

bool is_decimal_mark(char32_t c) {
  return std::u32string_view(kDecimalMarks).find(c) != std::u32string_view::npos;
}

// The end of digits that begin at `at`.
size_t digits_end(std::string_view text, size_t at, const Tables& table, const uint32_t* masks) {
  while (at < text.size()) {
    const TextChar c = text_char(text, at, masks);
    if (table.kinds[c.point] != digit) break;
    at += c.bytes;
  }
  return at;
}

// The end of a number that begins at `at`: digits, and digits behind one decimal mark.
size_t number_end(std::string_view text, size_t at, const Tables& table, const uint32_t* masks) {
  const size_t end = digits_end(text, at, table, masks);
  if (end == text.size()) return end;
  const TextChar mark = text_char(text, end, masks);
  if (!is_decimal_mark(mark.point)) return end;
  const size_t fraction = end + mark.bytes;
  const size_t last = digits_end(text, fraction, table, masks);
  return last == fraction ? end : last;
}

// What a capital sigma becomes hangs on the letters around it.
std::string lower_all(std::string_view text) {
  std::string lower;
  icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())))
      .toLower(icu::Locale::getRoot())
      .toUTF8String(lower);
  return lower;
}

}  // namespace

void simplify_text(std::string_view text, std::string& out) {
  const Tables& table = tables();
  const uint32_t* masks = word_masks();
  std::string lower;
  if (text.find("\u03A3") != std::string_view::npos) {
    lower = lower_all(text);
    text = lower;
  }
  out.clear();
  bool gap = false, sort = false;
  for (size_t at = 0; at < text.size();) {
    const TextChar c = text_char(text, at, masks);
    const Kind kind = table.kinds[c.point];
    if (kind == blank) {
      gap = true;
      at += c.bytes;
      continue;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    if (kind == digit) {
      out += '0';
      at = number_end(text, at, table, masks);
      continue;
    }
    if (kind == mapped) {
      const char* place = table.texts.data() + table.places[c.point];
      out.append(place + 1, static_cast<size_t>(*place));
    } else {
      out.append(text, at, c.bytes);
    }
    sort = sort || kind == sorted_mark;
    at += c.bytes;
  }
  if (sort)
    out = without_marks(decompose(icu::UnicodeString::fromUTF8(
        icu::StringPiece(out.data(), static_cast<int32_t>(out.size())))));
  const std::string_view stripped = strip(out, masks);
  if (stripped.size() != out.size()) out = std::string(stripped);
}

}  // namespace ballast
