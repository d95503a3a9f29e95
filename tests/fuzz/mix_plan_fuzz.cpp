// The value of --rates. A plan that is accepted has rates in 0 to 1000, finds a rule for what the
// rule itself names, the same rules again when they are joined, and never takes fewer copies of a
// document than a rate below.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/text/mix/mix_plan.h"

namespace {

std::string name_of(const ballast::LanguageCode& code) {
  return code.script.empty() ? code.language : code.language + "_" + code.script;
}

// What a rule names fits it, so no later rule counts.
void check_rule(const ballast::MixPlan& plan, size_t index) {
  const ballast::MixPlan::Rule& rule = plan.rules()[index];
  BALLAST_CHECK(rule.rate >= 0 && rule.rate <= ballast::kMaxMixRate);
  const std::string language = rule.languages.empty() ? "" : name_of(rule.languages.back());
  for (const auto& code : rule.languages) BALLAST_CHECK(ballast::names_language(code));
  const std::string source = rule.sources.empty() ? "" : rule.sources.back();
  BALLAST_CHECK(plan.rule_of(language, source) <= index);
  const int64_t copies = ballast::mix_copies(7, source, rule.rate);
  BALLAST_CHECK(copies >= static_cast<int64_t>(std::floor(rule.rate)));
  BALLAST_CHECK(copies <= static_cast<int64_t>(std::ceil(rule.rate)));
  BALLAST_CHECK(ballast::mix_copies(7, source, rule.rate / 2) <= copies);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view spec(reinterpret_cast<const char*>(data), size);
  const auto plan = ballast::MixPlan::parse(spec, "--rates");
  if (!plan.ok()) return 0;
  std::string joined;
  for (size_t i = 0; i < plan->rules().size(); ++i) {
    check_rule(*plan, i);
    joined += (i == 0 ? "" : ",") + plan->rules()[i].text;
  }
  const auto again = ballast::MixPlan::parse(joined, "again");
  BALLAST_CHECK(again.ok() && again->rules().size() == plan->rules().size());
  for (size_t i = 0; i < plan->rules().size(); ++i) {
    BALLAST_CHECK(again->rules()[i].languages == plan->rules()[i].languages);
    BALLAST_CHECK(again->rules()[i].sources == plan->rules()[i].sources);
    BALLAST_CHECK(again->rules()[i].rate == plan->rules()[i].rate);
  }
  return 0;
}
