#include "libcore/data/choices.h"

#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/io/json.h"

namespace ballast {
namespace {

constexpr size_t kMostChoices = 64;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Result<Choice> make_choice(std::string_view context, std::string_view ending,
                           const std::string& where) {
  if (trimmed(ending).empty()) return corrupt_error("a choice is empty", where);
  return Choice{std::string(trimmed(context)), " " + std::string(trimmed(ending))};
}

Result<int64_t> label_of(const Json& object, const std::string& key, int64_t first, size_t count,
                         const std::string& where) {
  const Json* value = BALLAST_TRY(member(object, key, where));
  int64_t label = first - 1;
  if (value->is_number_integer()) {
    label = value->get<int64_t>();
  } else if (value->is_string()) {
    const auto number = parse_count(value->get<std::string>());
    if (number.ok()) label = *number;
  }
  const int64_t last = first + static_cast<int64_t>(count) - 1;
  if (label < first || label > last)
    return corrupt_error(
        fmt::format("'{}' is {}, accepted are {} to {}", key, value->dump(), first, last), where);
  return label - first;
}

Result<Question> listed(const Json& object, const std::string& context_key,
                        const std::string& choices_key, const std::string& where) {
  Question question;
  const std::string context = BALLAST_TRY(string_member(object, context_key, where));
  const Json* choices = BALLAST_TRY(member(object, choices_key, where));
  if (!choices->is_array() || choices->size() < 2 || choices->size() > kMostChoices)
    return corrupt_error(
        fmt::format("'{}' is not an array of 2 to {} texts", choices_key, kMostChoices), where);
  for (const Json& choice : *choices) {
    if (!choice.is_string())
      return corrupt_error(fmt::format("'{}' has an element that is no text", choices_key), where);
    question.choices.push_back(BALLAST_TRY(make_choice(context, choice.get<std::string>(), where)));
  }
  question.label = BALLAST_TRY(label_of(object, "label", 0, choices->size(), where));
  return question;
}

Result<Question> gapped(const Json& object, const std::string& where) {
  const std::string sentence = BALLAST_TRY(string_member(object, "sentence", where));
  const size_t gap = sentence.find('_');
  if (gap == std::string::npos || sentence.find('_', gap + 1) != std::string::npos)
    return corrupt_error("'sentence' has not exactly one gap '_'", where);
  const std::string before = sentence.substr(0, gap), after = sentence.substr(gap + 1);
  Question question;
  for (const char* key : {"option1", "option2"}) {
    const std::string option = BALLAST_TRY(string_member(object, key, where));
    question.choices.push_back(BALLAST_TRY(make_choice(before + option, after, where)));
  }
  question.label = BALLAST_TRY(label_of(object, "answer", 1, 2, where));
  return question;
}

}  // namespace

Result<Question> parse_question(std::string_view line, const std::string& where) {
  const Json object = BALLAST_TRY(parse_json(line, where));
  if (!object.is_object()) return corrupt_error("not an object", where);
  if (object.contains("endings")) return listed(object, "ctx", "endings", where);
  if (object.contains("sentence")) return gapped(object, where);
  if (object.contains("choices")) return listed(object, "context", "choices", where);
  return corrupt_error("no question: it has none of 'endings', 'sentence', 'choices'", where);
}

}  // namespace ballast
