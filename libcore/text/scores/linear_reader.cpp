// The file of a linear model. Refused is what would make it say something else than what was
// trained: unknown keys, terms that no text has, lists of different lengths.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "libcore/io/json.h"
#include "libcore/io/utf8.h"
#include "libcore/text/scores/linear_model.h"

namespace ballast {
namespace {

constexpr int64_t kLimitBytes = int64_t{256} << 20;
constexpr int64_t kMaxWords = 5;
// With fewer than 2^28 terms (the file's bytes) and counts below 2^32, neither the sum of weight *
// x nor that of x * x leaves the range of doubles.
constexpr double kLargest = 1e100;
constexpr std::array<std::string_view, 12> kKeys = {"v",     "type",    "note",   "bias",
                                                    "terms", "weights", "idf",    "tf",
                                                    "norm",  "ngrams",  "output", "lower_case"};

}  // namespace

class LinearReader {
 public:
  LinearReader(const Json& record, const std::string& where) : record_(record), where_(where) {}

  Result<std::shared_ptr<const LinearModel>> read() {
    if (BALLAST_TRY(string_member(record_, "type", where_)) != "linear" ||
        BALLAST_TRY(integer_member(record_, "v", where_)) != 1)
      return corrupt_error("no linear model of version 1", where_);
    for (const auto& [key, value] : record_.items()) {
      if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
        return corrupt_error(fmt::format("unknown key '{}'", printable(key)), where_);
    }
    BALLAST_TRY(read_settings());
    BALLAST_TRY(read_terms());
    BALLAST_TRY(read_numbers());
    return std::shared_ptr<const LinearModel>(std::make_shared<LinearModel>(std::move(model_)));
  }

 private:
  // Which of `words` the key has, the first where it is missing.
  Result<size_t> choice(const char* key, const std::vector<std::string>& words) const {
    if (!record_.contains(key)) return size_t{0};
    const std::string word = BALLAST_TRY(string_member(record_, key, where_));
    const auto found = std::find(words.begin(), words.end(), word);
    if (found != words.end()) return static_cast<size_t>(found - words.begin());
    return corrupt_error(fmt::format("'{}' is '{}'", key, printable(word)), where_,
                         fmt::format("accepted: {}", fmt::join(words, ", ")));
  }

  Result<void> read_settings() {
    model_.tf_ =
        static_cast<LinearModel::Tf>(BALLAST_TRY(choice("tf", {"count", "log", "binary"})));
    model_.norm_ =
        static_cast<LinearModel::Norm>(BALLAST_TRY(choice("norm", {"none", "l1", "l2"})));
    model_.sigmoid_ = BALLAST_TRY(choice("output", {"sigmoid", "raw"})) == 0;
    if (const auto at = record_.find("lower_case"); at != record_.end()) {
      if (!at->is_boolean()) return corrupt_error("'lower_case' is neither true nor false", where_);
      model_.lower_case_ = at->get<bool>();
    }
    const auto at = record_.find("ngrams");
    if (at == record_.end()) return {};
    const auto bad = [&] {
      return corrupt_error("'ngrams' is not [LEAST,MOST]", where_,
                           fmt::format("1 <= LEAST <= MOST <= {}", kMaxWords));
    };
    if (!at->is_array() || at->size() != 2) return bad();
    for (const Json& words : *at)
      if (!words.is_number_unsigned() || words.get<uint64_t>() > kMaxWords) return bad();
    model_.min_words_ = (*at)[0].get<int64_t>();
    model_.max_words_ = (*at)[1].get<int64_t>();
    if (model_.min_words_ < 1 || model_.min_words_ > model_.max_words_) return bad();
    return {};
  }

  Result<void> read_terms() {
    const Json* terms = BALLAST_TRY(member(record_, "terms", where_));
    if (!terms->is_array()) return corrupt_error("'terms' is no list", where_);
    model_.terms_.reserve(terms->size());
    for (const Json& term : *terms) {
      if (!term.is_string()) return corrupt_error("a term is no string", where_);
      const auto& text = term.get_ref<const std::string&>();
      const auto words = 1 + std::count(text.begin(), text.end(), ' ');
      if (text.empty() || words < model_.min_words_ || words > model_.max_words_) {
        return corrupt_error(
            fmt::format("term '{}' has {} words", printable(text), text.empty() ? 0 : words),
            where_, fmt::format("ngrams: {} to {}", model_.min_words_, model_.max_words_));
      }
      find_words(text, model_.lower_case_, found_);
      if (found_.words() != words || found_.words_from(0, words) != text)
        return corrupt_error(fmt::format("term '{}' is not how texts are cut", printable(text)),
                             where_, "words of letters, digits and _, two or more of them");
      const auto index = static_cast<uint32_t>(model_.terms_.size());
      if (!model_.terms_.emplace(text, index).second)
        return corrupt_error(fmt::format("term '{}' comes twice", printable(text)), where_);
    }
    return {};
  }

  Result<double> bounded(const Json& value, const char* key) const {
    if (value.is_number() && std::abs(value.get<double>()) <= kLargest) return value.get<double>();
    return corrupt_error(fmt::format("'{}' has what is no number from -1e100 to 1e100", key),
                         where_);
  }

  // One for each term.
  Result<std::vector<double>> numbers(const char* key) const {
    const Json* list = BALLAST_TRY(member(record_, key, where_));
    if (!list->is_array() || list->size() != model_.terms_.size()) {
      return corrupt_error(fmt::format("'{}' is no list of {} numbers", key, model_.terms_.size()),
                           where_, "one for each term");
    }
    std::vector<double> values;
    values.reserve(list->size());
    for (const Json& value : *list) values.push_back(BALLAST_TRY(bounded(value, key)));
    return values;
  }

  Result<void> read_numbers() {
    const Json* bias = BALLAST_TRY(member(record_, "bias", where_));
    model_.bias_ = BALLAST_TRY(bounded(*bias, "bias"));
    model_.weights_ = BALLAST_TRY(numbers("weights"));
    if (!record_.contains("idf")) return {};
    model_.idf_ = BALLAST_TRY(numbers("idf"));
    if (std::any_of(model_.idf_.begin(), model_.idf_.end(), [](double idf) { return idf < 0; }))
      return corrupt_error("'idf' has a negative number", where_);
    return {};
  }

  const Json& record_;
  const std::string& where_;
  LinearModel model_;
  WordBuffers found_;
};

Result<std::shared_ptr<const LinearModel>> LinearModel::load(FileSystem& fs,
                                                             const std::string& path) {
  return parse(BALLAST_TRY(read_file(fs, path, kLimitBytes)), path);
}

Result<std::shared_ptr<const LinearModel>> LinearModel::parse(std::string_view text,
                                                              const std::string& where) {
  const Json record = BALLAST_TRY(parse_json(text, where));
  return LinearReader(record, where).read();
}

}  // namespace ballast
