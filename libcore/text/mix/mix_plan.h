// How often each document of a mixture is taken. A plan is a list of rules with commas between
// them,
//
//   [language=L[|L...]][&source=S[|S...]]:RATE      or      *:RATE
//
// of which the first that fits a document counts; a document that none fits is taken once. A rate
// of 0.25 takes a quarter of the documents, 2.5 takes each twice and half of them once more. The
// draw is a function of the seed and the document's id alone, so it depends neither on the order of
// documents nor on who reads them, and what a lower rate takes a higher one takes too. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/language/language_code.h"

namespace ballast {

inline constexpr double kMaxMixRate = 1000;

class MixPlan {
 public:
  // Rules, or the name of a recipe: apertus-33 and apertus-10, the rates at which Apertus took
  // languages at random in stages 1 to 3 and 4 to 5 (languages that a toxicity classifier or a
  // quality classifier has dealt with are taken whole, or by 0.95).
  static Result<MixPlan> parse(std::string_view spec, const std::string& where);

  struct Rule {
    std::string text;  // as it was written
    std::vector<LanguageCode> languages;
    std::vector<std::string> sources;
    double rate = 1;
  };
  const std::vector<Rule>& rules() const { return rules_; }
  // Index of the rule that fits; the number of rules where none does.
  size_t rule_of(std::string_view language, std::string_view source) const;
  double rate(size_t rule) const { return rule < rules_.size() ? rules_[rule].rate : 1; }

 private:
  std::vector<Rule> rules_;
};

int64_t mix_copies(uint64_t seed, std::string_view id, double rate);

}  // namespace ballast
