#include "libcore/parts/plan_difference.h"

#include <fmt/format.h>

#include <vector>

namespace ballast {
namespace {

constexpr size_t kLongestValue = 60;  // bytes in a message

// Found in others, which say it in the words of the command line.
bool is_derived(const std::string& key) { return key == "manifest" || key == "files"; }

std::string value_text(const Json* value) {
  if (value == nullptr || value->is_null()) return "not given";
  if (value->is_array() && value->size() == 1) return value_text(&value->front());
  if (value->is_object() && value->contains("file")) return value_text(&value->at("file"));
  std::string text = value->is_string() ? value->get<std::string>() : to_json_line(*value);
  if (text.empty()) return "empty";
  if (text.size() > kLongestValue) text = text.substr(0, kLongestValue) + "...";
  return text;
}

const Json* find(const Json& object, const std::string& key) {
  const auto at = object.find(key);
  return at == object.end() ? nullptr : &*at;
}

std::string one_difference(const std::string& name, const Json* there, const Json* here) {
  if (there != nullptr && here != nullptr && there->is_object() && here->is_object() &&
      !there->contains("file")) {
    for (const auto& item : here->items())
      if (const Json* old = find(*there, item.key()); old == nullptr || *old != item.value())
        return one_difference(fmt::format("{}.{}", name, item.key()), old, &item.value());
    for (const auto& item : there->items())
      if (!here->contains(item.key()))
        return one_difference(fmt::format("{}.{}", name, item.key()), &item.value(), nullptr);
  }
  const std::string before = value_text(there), now = value_text(here);
  if (before != now) return fmt::format("{} is {} there and {} here", name, before, now);
  return fmt::format("{} is not what it was: {}", name, now);
}

std::string options_difference(const Json& there, const Json& here) {
  if (!there.is_object() || !here.is_object()) return {};
  std::vector<std::string> keys;
  for (const bool derived : {false, true}) {
    for (const Json* options : {&here, &there})
      for (const auto& item : options->items())
        if (is_derived(item.key()) == derived) keys.push_back(item.key());
  }
  for (const std::string& key : keys) {
    const Json *before = find(there, key), *now = find(here, key);
    if (before != nullptr && now != nullptr && *before == *now) continue;
    const std::string name = key == "tool" || is_derived(key) ? key : "--" + key;
    return one_difference(name, before, now);
  }
  return {};
}

std::string inputs_difference(const PartsPlan& there, const PartsPlan& here) {
  if (there.inputs.size() != here.inputs.size())
    return fmt::format("inputs: {} there and {} here", there.inputs.size(), here.inputs.size());
  for (size_t i = 0; i < here.inputs.size(); ++i) {
    const PartsPlan::Input &before = there.inputs[i], &now = here.inputs[i];
    if (before.path != now.path)
      return fmt::format("input {} is {} there and {} here", i, before.path, now.path);
    if (before.bytes != now.bytes)
      return fmt::format("input {} has {} bytes there and {} here: {}", i, before.bytes, now.bytes,
                         now.path);
  }
  return {};
}

}  // namespace

std::string plan_difference(const PartsPlan& there, const PartsPlan& here) {
  if (there.verb != here.verb)
    return fmt::format("the verb is {} there and {} here", there.verb, here.verb);
  if (there.part_bytes != here.part_bytes)
    return fmt::format("--part-size is {} bytes there and {} here", there.part_bytes,
                       here.part_bytes);
  std::string text = inputs_difference(there, here);
  if (text.empty()) text = options_difference(there.options, here.options);
  return text;
}

}  // namespace ballast
