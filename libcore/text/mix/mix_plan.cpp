#include "libcore/text/mix/mix_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "libcore/base/ascii.h"
#include "libcore/base/hash.h"
#include "libcore/base/rng.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

struct Recipe {
  std::string_view name, rules;
};
constexpr Recipe kRecipes[] = {{"apertus-33",
                                "language=en|zh|fr|de|it|nl|pl|es|pt:1,"
                                "language=ru|ja|id|tr|cs|vi|sv|fa|ar|el|da|hu:0.95,*:0.3135"},
                               {"apertus-10",
                                "language=en|zh|fr|de|it|nl|pl|es|pt:1,"
                                "language=ru|ja|id|tr|cs|vi|sv|fa|ar|el|da|hu:0.95,*:0.095"}};

template <class Each>
void split(std::string_view text, char separator, Each&& each) {
  while (true) {
    const size_t end = std::min(text.find(separator), text.size());
    each(text.substr(0, end));
    if (end == text.size()) return;
    text.remove_prefix(end + 1);
  }
}

Result<MixPlan::Rule> parse_rule(std::string_view text, const std::string& where) {
  const auto bad = [&] {
    return usage_error(fmt::format("'{}' is no rule", printable(text)), where,
                       "language=L|L&source=S:RATE or *:RATE, RATE in 0..1000");
  };
  MixPlan::Rule rule;
  rule.text = text;
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  const std::string_view number = text.substr(colon + 1);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), rule.rate);
  if (error != std::errc() || end != number.data() + number.size() ||
      !(rule.rate >= 0 && rule.rate <= kMaxMixRate))
    return bad();
  const std::string_view condition = text.substr(0, colon);
  if (condition == "*") return rule;
  bool good = true;
  split(condition, '&', [&](std::string_view part) {
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view key = part.substr(0, equals);
    const bool known =
        (key == "language" && rule.languages.empty()) || (key == "source" && rule.sources.empty());
    good = good && known && equals < part.size();
    if (!good) return;
    split(part.substr(equals + 1), '|', [&](std::string_view value) {
      good = good && !value.empty();
      if (key == "language") {
        rule.languages.push_back(parse_language(value));
        good = good && names_language(rule.languages.back());
      } else {
        rule.sources.emplace_back(value);
      }
    });
  });
  if (!good) return bad();
  return rule;
}

}  // namespace

Result<MixPlan> MixPlan::parse(std::string_view spec, const std::string& where) {
  for (const Recipe& recipe : kRecipes) {
    if (spec == recipe.name) spec = recipe.rules;
  }
  MixPlan plan;
  Result<void> result;
  split(spec, ',', [&](std::string_view text) {
    if (!result.ok()) return;
    Result<Rule> rule = parse_rule(trim_blanks(text), where);
    if (rule.ok()) {
      plan.rules_.push_back(rule.take_value());
    } else {
      result = rule.take_error();
    }
  });
  if (!result.ok()) return result.take_error();
  return plan;
}

size_t MixPlan::rule_of(std::string_view language, std::string_view source) const {
  const LanguageCode code = parse_language(language);
  const auto fits = [&](const Rule& rule) {
    const bool spoken =
        rule.languages.empty() ||
        std::any_of(rule.languages.begin(), rule.languages.end(), [&](const LanguageCode& wanted) {
          return !language.empty() && language_matches(wanted, code);
        });
    return spoken && (rule.sources.empty() || std::find(rule.sources.begin(), rule.sources.end(),
                                                        source) != rule.sources.end());
  };
  return static_cast<size_t>(std::find_if(rules_.begin(), rules_.end(), fits) - rules_.begin());
}

int64_t mix_copies(uint64_t seed, std::string_view id, double rate) {
  const double whole = std::floor(rate);
  const double draw = random_uniform(seed, xxh3_64("mix"), xxh3_64(id));
  return static_cast<int64_t>(whole) + (draw < rate - whole ? 1 : 0);
}

}  // namespace ballast
