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
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    items.push_back(trim_blanks(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
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

}  // namespace

const char* language_outcome_name(LanguageOutcome outcome) {
  constexpr const char* kNames[] = {"wanted", "other", "uncertain", "missing"};
  return kNames[static_cast<size_t>(outcome)];
}

Result<LanguagePolicy> LanguagePolicy::make(std::string_view languages, std::string_view thresholds,
                                            std::shared_ptr<const FastTextModel> model) {
  LanguagePolicy policy;
  policy.given_ = !languages.empty() || model != nullptr;
  policy.model_ = std::move(model);
  for (const std::string_view name : split(languages)) {
    if (name.empty()) return usage_error("empty name of a language", "--languages");
    policy.wanted_.push_back(parse_language(name));
  }
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
  policy.threshold_ = policy.wanted_.empty() ? 0 : kUsualThreshold;
  for (const std::string_view item : split(thresholds)) {
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      policy.threshold_ = BALLAST_TRY(parse_threshold(item));
    } else {
      policy.thresholds_.emplace_back(parse_language(item.substr(0, equals)),
                                      BALLAST_TRY(parse_threshold(item.substr(equals + 1))));
    }
  }
  return policy;
}

double LanguagePolicy::threshold_of(const LanguageCode& language) const {
  for (const auto& [known, threshold] : thresholds_) {
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
