// In which languages a document may be, by a fastText model or by the label that it brings, with a
// threshold for each language. As datatrove's filter by language: of the wanted languages one must
// have a score above its threshold; where none is named, the best. Immutable; shared by threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/fasttext/fasttext_model.h"
#include "libcore/text/language/language_code.h"

namespace ballast {

enum class LanguageOutcome { wanted, other, uncertain, missing };
const char* language_outcome_name(LanguageOutcome outcome);

struct LanguageVerdict {
  LanguageOutcome outcome = LanguageOutcome::wanted;
  std::string label;  // the model's best, without "__label__"; empty without model
  double score = 0;   // of that label
  double limit = 0;   // of `uncertain`: the threshold
};

struct LanguageThresholds {
  std::optional<double> all;
  std::vector<std::pair<LanguageCode, double>> own;  // each once; the first that matches counts
};

// "en,deu,zho_Hans"; an empty list names none.
Result<std::vector<LanguageCode>> parse_languages(std::string_view list);
// "0.65,de=0.5", from 0 to 1.
Result<LanguageThresholds> parse_language_thresholds(std::string_view list);

class LanguagePolicy {
 public:
  // No languages: all. No thresholds: 0.65 where languages are named, else none. `model` may be
  // null, then there are no thresholds.
  static Result<LanguagePolicy> make(std::string_view languages, std::string_view thresholds,
                                     std::shared_ptr<const FastTextModel> model);
  LanguagePolicy() = default;
  bool empty() const { return !given_; }
  bool predicts() const { return model_ != nullptr; }
  LanguageVerdict judge(std::string_view text, std::string_view said,
                        FastTextBuffers& buffers) const;

 private:
  double threshold_of(const LanguageCode& language) const;
  bool wants(const LanguageCode& language) const;
  LanguageVerdict judge_scores(FastTextPrediction best, const FastTextBuffers& buffers) const;

  bool given_ = false;
  std::shared_ptr<const FastTextModel> model_;
  std::vector<LanguageCode> labels_;  // of the model
  std::vector<LanguageCode> wanted_;
  double threshold_ = 0;  // of languages that have none of their own
  LanguageThresholds thresholds_;
};

}  // namespace ballast
