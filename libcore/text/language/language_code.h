// Names of languages as data sets write them: "en", "eng", "eng_Latn", "zh-Hant", "en-US",
// "__label__en". Pure.
#pragma once

#include <string>
#include <string_view>

namespace ballast {

struct LanguageCode {
  std::string language;  // ISO 639-3 where there is one ("en" is "eng"), lower case
  std::string script;    // ISO 15924, as "Latn"; empty: not said
  bool operator==(const LanguageCode&) const = default;
};

// Region and variant are left out. What is no code is its own language.
LanguageCode parse_language(std::string_view name);

// Whether a document's language can be this one: not "_Latn", and not "de _Latn", a slip.
bool names_language(const LanguageCode& code);

// The language is the wanted one, and its script too where one is wanted.
bool language_matches(const LanguageCode& wanted, const LanguageCode& found);

}  // namespace ballast
