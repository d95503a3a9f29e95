#include "libcore/cli/parse_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

namespace ballast {
namespace {

// The limits of an option as its type names them, "N:INT in [0 - 4096]": the message has those of
// numbers with a point in six decimals, where 1e-9 is 0 and the largest double takes 316 places.
std::string accepted_of(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw(name);
  if (option == nullptr) return {};
  const std::string type = option->get_type_name();
  if (type.ends_with(":NONNEGATIVE")) return "0 or more";
  if (type.ends_with(":POSITIVE")) return "more than 0";
  constexpr std::string_view kOpen = " in [", kBetween = " - ";
  const size_t open = type.rfind(kOpen), between = type.rfind(kBetween);
  if (open == std::string::npos || between == std::string::npos || between < open) return {};
  const size_t first = open + kOpen.size(), last = between + kBetween.size();
  return fmt::format("{} to {}", type.substr(first, between - first),
                     type.substr(last, type.rfind(']') - last));
}

// "--doc: Value -1 not in range 0 to 9".
std::optional<Error> range_failure(std::string_view text, const CLI::App& app) {
  constexpr std::string_view kValue = ": Value ", kRange = " not in range ";
  const size_t value = text.find(kValue), range = text.rfind(kRange);
  if (value == text.npos || range == text.npos || range < value + kValue.size())
    return std::nullopt;
  const std::string name(text.substr(0, value));
  const size_t begin = value + kValue.size();
  const std::string accepted = accepted_of(app, name);
  return usage_error(
      fmt::format("{}: '{}' is not in range", name, text.substr(begin, range - begin)), {},
      accepted.empty() ? std::string(text.substr(range + kRange.size())) : accepted);
}

}  // namespace

Error parse_failure(const CLI::ParseError& error, const CLI::App& app) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr)
    return usage_error(fmt::format("unexpected operand '{}'", app.remaining().front()));
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !text.starts_with("-")) {
    const size_t space = text.find(' ');
    for (size_t i = 0; i < std::min(space, text.size()); ++i)
      text[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[i])));
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (auto beyond = range_failure(text, app)) return std::move(*beyond);
  constexpr std::string_view kConvert = "Could not convert: ";
  if (text.starts_with(kConvert)) {
    text = text.substr(kConvert.size());
    const size_t equals = text.find(" = ");
    if (equals != std::string::npos)
      text = fmt::format("{}: '{}' is not a valid value", text.substr(0, equals),
                         text.substr(equals + 3));
  }
  return usage_error(std::move(text));
}

}  // namespace ballast
