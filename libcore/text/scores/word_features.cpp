#include "libcore/text/scores/word_features.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <limits>

#include "libcore/base/ascii.h"
#include "libcore/base/check.h"

namespace ballast {
namespace {

// Python's \w: letters, and whatever has a numeric value.
bool is_word_character(UChar32 c) {
  if (c < 0x80) return c == '_' || (c > 0 && is_ascii_alnum(static_cast<char>(c)));
  return u_isalpha(c) || u_getNumericValue(c) != U_NO_NUMERIC_VALUE;
}

void to_lower(std::string_view text, std::string& lowered) {
  BALLAST_CHECK(text.size() <= std::numeric_limits<int32_t>::max());
  lowered.clear();
  icu::StringByteSink<std::string> sink(&lowered);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8ToLower("", 0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr,
                            status);
  BALLAST_CHECK(U_SUCCESS(status));
}

}  // namespace

void find_words(std::string_view text, bool lower_case, WordBuffers& buffers) {
  if (lower_case) {
    to_lower(text, buffers.lowered);
    text = buffers.lowered;
  }
  std::string& joined = buffers.joined;
  joined.clear();
  buffers.begins.clear();
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int64_t>(text.size());
  int64_t begin = 0, characters = 0;  // of the word that is being read
  const auto end_word = [&](int64_t end) {
    if (characters >= 2) {
      buffers.begins.push_back(static_cast<int64_t>(joined.size()));
      joined += text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      joined += ' ';
    }
    characters = 0;
  };
  for (int64_t at = 0; at < size;) {
    const int64_t here = at;
    UChar32 c;
    U8_NEXT(bytes, at, size, c);
    if (c < 0 || !is_word_character(c)) {
      end_word(here);
    } else if (++characters == 1) {
      begin = here;
    }
  }
  end_word(size);
  buffers.begins.push_back(static_cast<int64_t>(joined.size()));
}

}  // namespace ballast
