// --config files: TOML whose keys are the verb's long options.
#define TOML_EXCEPTIONS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "libcore/base/units.h"
#include "libcore/cli/arguments.h"
#include "libcore/cli/options.h"

namespace ballast {
namespace {

class ConfigReader {
 public:
  ConfigReader(const CLI::App& app, std::string path, const std::vector<const CLI::Option*>& given)
      : app_(app), path_(std::move(path)), given_(given) {}

  Result<std::vector<std::string>> words_of(const toml::table& table) {
    // toml++ sorts keys; errors should come in the order of the file.
    std::vector<std::pair<const toml::key*, const toml::node*>> entries;
    for (const auto& [key, node] : table) entries.emplace_back(&key, &node);
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return a.first->source().begin < b.first->source().begin;
    });
    for (const auto& [key, node] : entries) {
      const std::string name(key->str());
      const CLI::Option* option = option_of_key(app_, name);
      if (option == nullptr) {
        const std::string near = nearest_key(app_, name);
        return usage_error(fmt::format("unknown key '{}'", name), where(key->source()),
                           near.empty() ? "" : fmt::format("did you mean '{}'?", near));
      }
      BALLAST_TRY(add_values(*option, *node));
    }
    return std::move(words_);
  }

 private:
  std::string where(const toml::source_region& source) const {
    return fmt::format("{}:{}", path_, source.begin.line);
  }

  Result<void> add_values(const CLI::Option& option, const toml::node& node) {
    if (const toml::array* array = node.as_array()) {
      if (!is_repeatable(option))
        return usage_error(fmt::format("'{}' takes one value", key_of(option)),
                           where(node.source()));
      for (const toml::node& element : *array) BALLAST_TRY(add_value(option, element));
      return {};
    }
    return add_value(option, node);
  }

  Result<void> add_value(const CLI::Option& option, const toml::node& node) {
    if (is_flag(option)) return add_flag(option, node);
    const std::string value = node.is_table() ? BALLAST_TRY(strategy_text(*node.as_table()))
                                              : BALLAST_TRY(scalar_text(node));
    put(option, {"--" + long_name(option), value});
    return {};
  }

  // true and false; a number repeats a counted flag (verbose = 2).
  Result<void> add_flag(const CLI::Option& option, const toml::node& node) {
    const auto truth = node.value_exact<bool>();
    const auto count = node.value_exact<int64_t>();
    if (!truth && (!count || *count < 0 || *count > 16))
      return usage_error(fmt::format("'{}' takes true or false", key_of(option)),
                         where(node.source()));
    for (int64_t i = truth ? int64_t{*truth} : *count; i > 0; --i)
      put(option, {"--" + long_name(option)});
    return {};
  }

  void put(const CLI::Option& option, std::initializer_list<std::string> words) {
    if (!is_settled(option, given_)) words_.insert(words_.end(), words);
  }

  Result<std::string> scalar_text(const toml::node& node) const {
    if (const auto text = node.value_exact<std::string>()) return *text;
    if (const auto number = node.value_exact<int64_t>()) return std::to_string(*number);
    if (const auto number = node.value_exact<double>()) return format_double(*number);
    if (const auto truth = node.value_exact<bool>()) return std::string(*truth ? "true" : "false");
    return usage_error("value is not a string, number, truth value, array or table",
                       where(node.source()));
  }

  // kind="zclip", z=2.5 -> "zclip:z=2.5"; without kind "z=2.5". `value` is the bare value of
  // `fixed:1.0`; keys of inner tables are joined by a dot, elements of inner arrays by a colon.
  Result<std::string> strategy_text(const toml::table& table) const {
    std::string kind, values;
    BALLAST_TRY(collect(table, "", &kind, &values));
    if (kind.empty()) return values;
    return values.empty() ? kind : kind + ":" + values;
  }

  Result<void> collect(const toml::table& table, const std::string& prefix, std::string* kind,
                       std::string* values) const {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (const toml::table* inner = node.as_table()) {
        BALLAST_TRY(collect(*inner, name + ".", kind, values));
        continue;
      }
      const std::string text = BALLAST_TRY(list_text(node));
      if (text.find(',') != std::string::npos || text.empty())
        return usage_error(fmt::format("value of '{}' is empty or has a comma", name),
                           where(node.source()));
      if (name == "kind") {
        *kind = text;
        continue;
      }
      if (!values->empty()) *values += ',';
      *values += name == "value" ? text : name + "=" + text;
    }
    return {};
  }

  Result<std::string> list_text(const toml::node& node) const {
    const toml::array* array = node.as_array();
    if (array == nullptr) return scalar_text(node);
    std::string text;
    for (const toml::node& element : *array) {
      if (!text.empty()) text += ':';
      text += BALLAST_TRY(scalar_text(element));
    }
    return text;
  }

  const CLI::App& app_;
  std::string path_;
  const std::vector<const CLI::Option*>& given_;
  std::vector<std::string> words_;
};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace

Result<std::vector<std::string>> config_words(const CLI::App& app, const std::string& text,
                                              const std::string& path,
                                              const std::vector<const CLI::Option*>& given) {
  const toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    const auto& error = parsed.error();
    return usage_error("malformed TOML", fmt::format("{}:{}", path, error.source().begin.line),
                       std::string(error.description()));
  }
  return ConfigReader(app, path, given).words_of(parsed.table());
}

std::string config_text(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    const std::string key = key_of(*option);
    if (option->count() == 0 || option_of_key(app, key) == nullptr) continue;
    const std::vector<std::string>& values = option->results();
    if (is_flag(*option)) {
      text += values.size() > 1 ? fmt::format("{} = {}\n", key, values.size())
                                : fmt::format("{} = {}\n", key, values.back());
    } else if (is_repeatable(*option)) {
      std::vector<std::string> all;
      for (const std::string& value : values) all.push_back(quoted(value));
      text += fmt::format("{} = [{}]\n", key, fmt::join(all, ", "));
    } else {
      text += fmt::format("{} = {}\n", key, quoted(values.back()));
    }
  }
  return text;
}

}  // namespace ballast
