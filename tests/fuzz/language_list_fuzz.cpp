// The values of --languages and of --language-threshold, on two lines. A list that is accepted
// wants each of its own names; thresholds lie in 0 to 1 and say the same when they are spelled out.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/ascii.h"
#include "libcore/base/check.h"
#include "libcore/base/units.h"
#include "libcore/text/language/language_policy.h"

namespace {

void check_languages(std::string_view list) {
  const auto languages = ballast::parse_languages(list);
  const auto policy = ballast::LanguagePolicy::make(list, "", nullptr);
  BALLAST_CHECK(policy.ok() == languages.ok());
  if (!policy.ok()) return;
  BALLAST_CHECK(policy->empty() == list.empty());
  ballast::FastTextBuffers buffers;
  size_t names = 0;
  for (std::string_view rest = list; !rest.empty(); ++names) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view name = ballast::trim_blanks(rest.substr(0, comma));
    const auto outcome = policy->judge("text", name, buffers).outcome;
    BALLAST_CHECK(outcome == ballast::LanguageOutcome::wanted);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  BALLAST_CHECK(names == languages->size());
}

void check_thresholds(std::string_view list) {
  const auto thresholds = ballast::parse_language_thresholds(list);
  if (!thresholds.ok()) return;
  std::string text;
  if (thresholds->all) text = ballast::format_double(*thresholds->all);
  for (const auto& [language, value] : thresholds->own) {
    BALLAST_CHECK(value >= 0 && value <= 1 && !language.language.empty());
    if (!text.empty()) text += ',';
    text += language.language;
    if (!language.script.empty()) text += "_" + language.script;
    text += "=" + ballast::format_double(value);
  }
  const auto again = ballast::parse_language_thresholds(text);
  BALLAST_CHECK(again.ok() && again->all == thresholds->all && again->own == thresholds->own);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  check_languages(input.substr(0, end));
  check_thresholds(input.substr(std::min(end + 1, input.size())));
  return 0;
}
