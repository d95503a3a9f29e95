#include "libcore/base/strategy_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/units.h"

namespace ballast {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// Keys may hold a name after a dot (`weights.web=2`).
bool is_key(std::string_view text) {
  return is_word(text.substr(0, text.find('.'))) && !text.ends_with('.');
}

}  // namespace

Result<StrategySpec> StrategySpec::parse(std::string_view text, const std::string& flag) {
  StrategySpec spec;
  spec.flag_ = flag;
  const size_t colon = text.find(':');
  spec.kind_ = std::string(text.substr(0, colon));
  if (!is_word(spec.kind_))
    return usage_error(fmt::format("'{}' is not KIND or KIND:KEY=VALUE,...", text), flag);
  if (colon == std::string_view::npos) return spec;
  std::string_view rest = text.substr(colon + 1);
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    const size_t equals = item.find('=');
    const bool bare = equals == std::string_view::npos;
    const std::string key(bare ? std::string_view() : item.substr(0, equals));
    const std::string value(bare ? item : item.substr(equals + 1));
    if (value.empty() || (!bare && !is_key(key)) || (bare && !spec.entries_.empty()))
      return usage_error(fmt::format("'{}' in '{}' is not KEY=VALUE", item, text), flag);
    if (spec.has(key)) return usage_error(fmt::format("'{}' is given twice", key), flag);
    spec.entries_.push_back({key, value});
    if (comma == std::string_view::npos) return spec;
    rest.remove_prefix(comma + 1);
  }
}

const std::string* StrategySpec::take(const std::string& key) {
  if (!key.empty()) known_.push_back(key);
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.taken = true;
    return &entry.value;
  }
  return nullptr;
}

Error StrategySpec::bad_value(const std::string& key, const std::string& value,
                              const std::string& why) const {
  return usage_error(fmt::format("{}: {}={} is not accepted", kind_, key, value), flag_, why);
}

Result<double> StrategySpec::take_number(const std::string& key, double fallback, double minimum,
                                         double maximum) {
  const std::string* text = take(key);
  if (text == nullptr) return fallback;
  const Result<double> value = parse_double(*text);
  if (!value.ok() || *value < minimum || *value > maximum)
    return bad_value(
        key, *text,
        fmt::format("a number from {} to {}", format_double(minimum), format_double(maximum)));
  return *value;
}

Result<int64_t> StrategySpec::take_count(const std::string& key, int64_t fallback, int64_t minimum,
                                         int64_t maximum) {
  const std::string* text = take(key);
  if (text == nullptr) return fallback;
  const Result<int64_t> value = parse_count(*text);
  if (!value.ok() || *value < minimum || *value > maximum)
    return bad_value(key, *text, fmt::format("a count from {} to {}", minimum, maximum));
  return *value;
}

Result<std::string> StrategySpec::take_word(const std::string& key, const std::string& fallback,
                                            const std::vector<std::string>& accepted) {
  const std::string* text = take(key);
  if (text == nullptr) return fallback;
  if (std::find(accepted.begin(), accepted.end(), *text) == accepted.end())
    return bad_value(key, *text, fmt::format("one of {}", fmt::join(accepted, ", ")));
  return *text;
}

std::string StrategySpec::take_text(const std::string& key, const std::string& fallback) {
  const std::string* text = take(key);
  return text == nullptr ? fallback : *text;
}

std::string StrategySpec::take_positional() {
  const std::string* text = take("");
  return text == nullptr ? std::string() : *text;
}

bool StrategySpec::has(const std::string& key) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.key == key; });
}

Result<void> StrategySpec::finish() {
  for (const Entry& entry : entries_) {
    if (entry.taken) continue;
    const std::string accepted = known_.empty()
                                     ? std::string("it takes none")
                                     : fmt::format("it takes {}", fmt::join(known_, ", "));
    if (entry.key.empty())
      return usage_error(fmt::format("{}: unexpected value '{}'", kind_, entry.value), flag_,
                         accepted);
    return usage_error(fmt::format("{}: unknown key '{}'", kind_, entry.key), flag_, accepted);
  }
  return {};
}

}  // namespace ballast
