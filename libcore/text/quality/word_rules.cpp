#include "libcore/text/quality/word_rules.h"

#include <algorithm>
#include <iterator>

namespace ballast {
namespace {

constexpr std::string_view kExceptions[] = {
#include "libcore/text/quality/word_exceptions.inc"
};
constexpr std::string_view kUnits[] = {
#include "libcore/text/quality/word_units.inc"
};

}  // namespace

WordRules::WordRules() : units_(std::begin(kUnits), std::end(kUnits)) {
  storage_.reserve(std::size(kExceptions));
  for (std::string_view rule : kExceptions) {
    std::string& whole = storage_.emplace_back(rule);
    std::erase(whole, ' ');
    std::vector<std::string_view> words;
    size_t at = 0;
    for (size_t from = 0; from <= rule.size();) {
      const size_t size = std::min(rule.find(' ', from), rule.size()) - from;
      words.push_back(std::string_view(whole).substr(at, size));
      at += size;
      from += size + 1;
    }
    maybe_[mark(whole)] = true;
    longest_ = std::max(longest_, whole.size());
    exceptions_.emplace(whole, std::move(words));
  }
}

const WordRules& WordRules::get() {
  static const WordRules rules;
  return rules;
}

}  // namespace ballast
