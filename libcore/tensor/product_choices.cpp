#include "libcore/tensor/product_choices.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

namespace ballast {

namespace {

constexpr std::string_view kBetween = " = ";

std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::optional<ProductChoices::Words> parse_words(std::string_view text) {
  ProductChoices::Words words = {};
  const char *at = text.data(), *const end = at + text.size();
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ' ')) return std::nullopt;
    const auto [rest, error] = std::from_chars(at, end, words[i], 16);
    if (error != std::errc()) return std::nullopt;
    at = rest;
  }
  if (at != end) return std::nullopt;
  return words;
}

}  // namespace

std::string ProductChoices::text() const {
  if (by_shape.empty()) return "";
  std::string lines = owner + "\n";
  for (const auto& [shape, words] : by_shape) {
    lines += shape;
    lines += kBetween;
    for (size_t i = 0; i < words.size(); ++i)
      lines += fmt::format("{}{:x}", i > 0 ? " " : "", words[i]);
    lines += '\n';
  }
  return lines;
}

std::optional<ProductChoices> ProductChoices::parse(std::string_view text) {
  ProductChoices choices;
  choices.owner = take_line(text);
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const size_t between = line.find(kBetween);
    if (between == std::string_view::npos) return std::nullopt;
    const auto words = parse_words(line.substr(between + kBetween.size()));
    if (!words.has_value()) return std::nullopt;
    if (!choices.by_shape.emplace(line.substr(0, between), *words).second) return std::nullopt;
  }
  return choices;
}

}  // namespace ballast
