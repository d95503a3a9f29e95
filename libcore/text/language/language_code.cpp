#include "libcore/text/language/language_code.h"

#include <unicode/uloc.h>

#include <algorithm>

#include "libcore/base/ascii.h"

namespace ballast {

LanguageCode parse_language(std::string_view name) {
  constexpr std::string_view kLabel = "__label__";
  if (name.starts_with(kLabel)) name.remove_prefix(kLabel.size());
  const size_t end = std::min(name.find_first_of("_-"), name.size());
  LanguageCode code;
  code.language = to_ascii_lower(name.substr(0, end));
  if (code.language.size() == 2) {
    const std::string_view iso3 = uloc_getISO3Language(code.language.c_str());
    if (!iso3.empty()) code.language = iso3;
  }
  name.remove_prefix(std::min(end + 1, name.size()));
  const std::string_view script = name.substr(0, name.find_first_of("_-"));
  if (script.size() == 4 && std::all_of(script.begin(), script.end(), is_ascii_letter)) {
    code.script = to_ascii_lower(script);
    code.script[0] = static_cast<char>(code.script[0] - 'a' + 'A');
  }
  return code;
}

bool names_language(const LanguageCode& code) {
  return !code.language.empty() && trim_blanks(code.language) == code.language;
}

bool language_matches(const LanguageCode& wanted, const LanguageCode& found) {
  return wanted.language == found.language &&
         (wanted.script.empty() || wanted.script == found.script);
}

}  // namespace ballast
