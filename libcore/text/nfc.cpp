#include "libcore/text/nfc.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/io/utf8.h"
#include "libcore/text/unicode_class.h"

namespace ballast {
namespace {

constexpr size_t kLongRun = 64;

const icu::Normalizer2& composer() {
  UErrorCode status = U_ZERO_ERROR;
  static const icu::Normalizer2* const made = icu::Normalizer2::getNFCInstance(status);
  BALLAST_CHECK(made != nullptr);
  return *made;
}

// Whether a run of marks may be long. Characters that are not assigned in our version may be marks
// in ICU's.
bool has_long_run(std::string_view text) {
  const uint8_t* const masks = char_masks();
  const char* const end = text.data() + text.size();
  for (size_t at = 0; at < text.size(); at += kLongRun) {
    const char* p = text.data() + at;
    while (p > text.data() && (static_cast<uint8_t>(*p) & 0xC0) == 0x80) --p;
    // Of more than kLongRun marks, of two bytes and more, half are still ahead.
    size_t ahead = 0;
    while (p < end && ahead < kLongRun / 2) {
      const Char c = char_at(p, end, masks);
      if (!(c.mask & (kMark | kUnassigned))) break;
      p += c.bytes;
      ++ahead;
    }
    if (ahead == kLongRun / 2) return true;
  }
  return false;
}

struct Mark {
  uint8_t combining_class;
  char32_t point;
};

// Appends what a character decomposes to, if that begins with a mark.
bool append_marks(UChar32 point, std::vector<Mark>& marks) {
  if (point < 0x300) return false;  // no mark is below
  const auto add = [&](UChar32 part) {
    const uint8_t combining_class = composer().getCombiningClass(part);
    marks.push_back({combining_class, static_cast<char32_t>(part)});
    return combining_class != 0;
  };
  icu::UnicodeString parts;
  if (!composer().getDecomposition(point, parts)) {
    if (add(point)) return true;
    marks.pop_back();
    return false;
  }
  const size_t before = marks.size();
  for (int32_t at = 0; at < parts.length(); at += U16_LENGTH(parts.char32At(at))) {
    if (add(parts.char32At(at)) || at > 0) continue;
    marks.resize(before);
    return false;
  }
  return true;
}

// The text with each long run of marks in canonical order, decomposed; nothing else changes.
std::string with_ordered_marks(std::string_view text) {
  std::string ordered;
  std::vector<Mark> marks;
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int32_t>(text.size());
  int32_t copied = 0, run = 0;  // text before `copied` is in `ordered`; the run begins at `run`
  const auto end_run = [&](int32_t end) {
    if (marks.size() > kLongRun) {
      std::stable_sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) {
        return a.combining_class < b.combining_class;
      });
      ordered.append(text, static_cast<size_t>(copied), static_cast<size_t>(run - copied));
      for (const Mark& mark : marks) append_utf8(ordered, mark.point);
      copied = end;
    }
    marks.clear();
  };
  for (int32_t at = 0; at < size;) {
    const int32_t begin = at;
    UChar32 point;
    U8_NEXT(bytes, at, size, point);
    if (marks.empty()) run = begin;
    if (!append_marks(point, marks)) end_run(begin);
  }
  end_run(size);
  ordered.append(text, static_cast<size_t>(copied));
  return ordered;
}

}  // namespace

std::string_view to_nfc(std::string_view text, std::string& storage) {
  UErrorCode status = U_ZERO_ERROR;
  std::string ordered;
  std::string_view source = text;
  if (has_long_run(text)) {
    ordered = with_ordered_marks(text);
    source = ordered;
  } else if (composer().isNormalizedUTF8({text.data(), static_cast<int32_t>(text.size())},
                                         status)) {
    return text;
  }
  storage.clear();
  icu::StringByteSink<std::string> sink(&storage);
  composer().normalizeUTF8(0, {source.data(), static_cast<int32_t>(source.size())}, sink, nullptr,
                           status);
  BALLAST_CHECK(U_SUCCESS(status));
  return storage;
}

}  // namespace ballast
