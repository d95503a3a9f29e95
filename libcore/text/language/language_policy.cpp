#include "libcore/text/language/language_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr double kUsualThreshold = 0.65;  // of FineWeb

std::vector<std::string_view> split(std::string_view list) {
  std::vector<std::string_view> items;
  if (list.empty()) return items;
  for (size_t comma = list.find(','); comma != list.npos; comma = list.find(',')) {
    items.push_back(trim_blanks(list.substr(0, comma)));
    list.remove_prefix(comma + 1);
  }
  items.push_back(trim_blanks(list));
  return items;
}

Result<double> parse_threshold(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !(value >= 0 && value <= 1)) {
    return usage_error(fmt::format("'{}' is no threshold", printable(word)), "--language-threshold",
                       "X or LANGUAGE=X, X in 0..1, with commas between");
  }
  return value;
}

Result<LanguageCode> parse_name(std::string_view name, const char* flag) {
  LanguageCode code = parse_language(name);
  if (!names_language(code))
    return usage_error(fmt::format("'{}' names no language", printable(name)), flag);
  return code;
}

}  // namespace

Result<std::vector<LanguageCode>> parse_languages(std::string_view list) {
  std::vector<LanguageCode> languages;
  for (const std::string_view name : split(list))
    languages.push_back(BALLAST_TRY(parse_name(name, "--languages")));
  return languages;
}

Result<LanguageThresholds> parse_language_thresholds(std::string_view list) {
  const auto twice = [](std::string_view item) {
    return usage_error(fmt::format("'{}' says a threshold twice", printable(item)),
                       "--language-threshold");
  };
  LanguageThresholds thresholds;
  for (const std::string_view item : split(list)) {
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      if (thresholds.all) return twice(item);
      thresholds.all = BALLAST_TRY(parse_threshold(item));
      continue;
    }
    const std::string_view name = trim_blanks(item.substr(0, equals));
    LanguageCode language = BALLAST_TRY(parse_name(name, "--language-threshold"));
    const double value = BALLAST_TRY(parse_threshold(trim_blanks(item.substr(equals + 1))));
    if (std::any_of(thresholds.own.begin(), thresholds.own.end(),
                    [&](const auto& other) { return other.first == language; }))
      return twice(item);
    thresholds.own.emplace_back(std::move(language), value);
  }
  return thresholds;
}

const char* language_outcome_name(LanguageOutcome outcome) {
  constexpr const char* kNames[] = {"wanted", "other", "uncertain", "missing"};
  return kNames[static_cast<size_t>(outcome)];
}

Result<LanguagePolicy> LanguagePolicy::make(std::string_view languages, std::string_view thresholds,
                                            std::shared_ptr<const FastTextModel> model) {
  LanguagePolicy policy;
  policy.given_ = !languages.empty() || model != nullptr;
  policy.model_ = std::move(model);
  policy.wanted_ = BALLAST_TRY(parse_languages(languages));
  if (policy.model_ == nullptr) {
    if (!thresholds.empty())
      return usage_error("--language-threshold needs --lang-model", "--language-threshold");
    return policy;
  }
  for (const std::string& label : policy.model_->labels()) {
    policy.labels_.push_back(parse_language(label));
  }
  for (const LanguageCode& wanted : policy.wanted_) {
    const bool known =
        std::any_of(policy.labels_.begin(), policy.labels_.end(),
                    [&](const LanguageCode& label) { return language_matches(wanted, label); });
    if (!known) {
      return usage_error(fmt::format("the model has no label for '{}'", printable(wanted.language)),
                         "--languages");
    }
  }
  policy.thresholds_ = BALLAST_TRY(parse_language_thresholds(thresholds));
  policy.threshold_ = policy.thresholds_.all.value_or(policy.wanted_.empty() ? 0 : kUsualThreshold);
  return policy;
}

double LanguagePolicy::threshold_of(const LanguageCode& language) const {
  for (const auto& [known, threshold] : thresholds_.own) {
    if (language_matches(known, language)) return threshold;
  }
  return threshold_;
}

bool LanguagePolicy::wants(const LanguageCode& language) const {
  return wanted_.empty() ||
         std::any_of(wanted_.begin(), wanted_.end(), [&](const LanguageCode& wanted) {
           return language_matches(wanted, language);
         });
}

LanguageVerdict LanguagePolicy::judge_scores(FastTextPrediction best,
                                             const FastTextBuffers& buffers) const {
  LanguageVerdict verdict;
  const auto at = static_cast<size_t>(best.label);
  verdict.label = model_->labels()[at];
  constexpr std::string_view kPrefix = "__label__";
  if (verdict.label.starts_with(kPrefix)) verdict.label.erase(0, kPrefix.size());
  verdict.score = best.score;
  for (size_t i = 0; i < labels_.size(); ++i) {
    const bool candidate = wanted_.empty() ? i == at : wants(labels_[i]);
    if (candidate && buffers.scores[i] > threshold_of(labels_[i])) return verdict;
  }
  verdict.outcome = wants(labels_[at]) ? LanguageOutcome::uncertain : LanguageOutcome::other;
  verdict.limit = threshold_of(labels_[at]);
  return verdict;
}

LanguageVerdict LanguagePolicy::judge(std::string_view text, std::string_view said,
                                      FastTextBuffers& buffers) const {
  LanguageVerdict verdict;
  if (model_ != nullptr) {
    const FastTextPrediction best = model_->predict(text, buffers);
    if (best.label >= 0) return judge_scores(best, buffers);
    verdict.outcome = LanguageOutcome::missing;
    return verdict;
  }
  if (said.empty()) {
    verdict.outcome = LanguageOutcome::missing;
  } else if (!wants(parse_language(said))) {
    verdict.outcome = LanguageOutcome::other;
  }
  return verdict;
}

}  // namespace ballast
