#include "libcore/model/switches.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>
#include <optional>

#include "libcore/base/units.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

template <class Enum>
struct Name {
  Enum value;
  const char* text;
};
constexpr std::array kNorms = {Name<NormKind>{NormKind::rms, "rms"},
                               Name<NormKind>{NormKind::layer, "layer"}};
constexpr std::array kPlacements = {Name<NormPlacement>{NormPlacement::pre, "pre"},
                                    Name<NormPlacement>{NormPlacement::post, "post"}};
constexpr std::array kActivations = {Name<Activation>{Activation::swiglu, "swiglu"},
                                     Name<Activation>{Activation::gelu, "gelu"},
                                     Name<Activation>{Activation::squared_relu, "squared_relu"},
                                     Name<Activation>{Activation::xielu, "xielu"}};

template <class Names>
std::string listed(const Names& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name.text);
  return text;
}

template <class Enum, class Names>
const char* text_of(Enum value, const Names& names) {
  for (const auto& name : names) {
    if (name.value == value) return name.text;
  }
  return "";
}

template <class Enum, class Names>
Result<void> set_word(Enum& into, const std::string& word, const Names& names,
                      const std::string& key, const std::string& where) {
  for (const auto& name : names) {
    if (word != name.text) continue;
    into = name.value;
    return {};
  }
  return usage_error(fmt::format("'{}' is '{}'", key, printable(word)), where,
                     "accepted: " + listed(names));
}

// A number switch: where it stands, its range, and the value that a bare name means.
struct NumberSwitch {
  const char* key;
  double Switches::*field;
  double minimum, maximum;
  double bare;  // 0: a value must be given
};
constexpr std::array kNumbers = {
    NumberSwitch{"soft_temp", &Switches::soft_temp, 1e-6, 1e6, 0.5},
    NumberSwitch{"soft_cap", &Switches::soft_cap, 1e-3, 1e9, 50.0},
    NumberSwitch{"soft_clip_zeta", &Switches::soft_clip_zeta, 1.0, 10.0, 0},
    NumberSwitch{"soft_clip_gamma", &Switches::soft_clip_gamma, -10.0, 0.0, 0},
    NumberSwitch{"layerscale", &Switches::layerscale, 1e-9, 1e3, 0.1},
    NumberSwitch{"mup_base_width", &Switches::mup_base_width, 1.0, 1048576.0, 0},
    NumberSwitch{"mup_base_head_dim", &Switches::mup_base_head_dim, 1.0, 4096.0, 0},
};

struct FlagSwitch {
  const char* key;
  bool Switches::*field;
};
constexpr std::array kFlags = {
    FlagSwitch{"sigma_reparam", &Switches::sigma_reparam},
    FlagSwitch{"soft_clip", &Switches::soft_clip},
    FlagSwitch{"qk_norm", &Switches::qk_norm},
    FlagSwitch{"qkv_norm", &Switches::qkv_norm},
    FlagSwitch{"fc_norm", &Switches::fc_norm},
};

Result<void> set_number(Switches& s, const NumberSwitch& number, double value,
                        const std::string& where) {
  if (!(value >= number.minimum && value <= number.maximum)) {
    return usage_error(fmt::format("'{}' is {}", number.key, format_double(value)), where,
                       fmt::format("accepted: {}..{}", number.minimum, number.maximum));
  }
  // The ops take floats; what they compute with is what is stored.
  s.*number.field = value;
  return {};
}

// The paper's names for pairs of switches; nullopt: not one of them.
std::optional<std::string> pair_of(const std::string& name) {
  if (name == "qk_norm_cap") return "qk_norm,soft_cap";
  if (name == "qk_fc_norm") return "qk_norm,fc_norm";
  return std::nullopt;
}

Error refused(const std::string& name, const std::string& where) {
  if (name == "smooth_swiglu") {
    return usage_error("'smooth_swiglu' is not built", where,
                       "it scales the input of fc2 before FP8 rounding, and fp8 is not built");
  }
  return usage_error(fmt::format("unknown switch '{}'", printable(name)), where,
                     "accepted: " + switch_names());
}

// One item of a list: NAME or NAME=VALUE.
Result<void> apply_item(Switches& s, const std::string& name, const std::string& value,
                        bool has_value, const std::string& where) {
  for (const FlagSwitch& flag : kFlags) {
    if (name != flag.key) continue;
    if (has_value) return usage_error(fmt::format("'{}' takes no value", name), where);
    s.*flag.field = true;
    return {};
  }
  for (const NumberSwitch& number : kNumbers) {
    if (name != number.key) continue;
    if (!has_value && number.bare == 0)
      return usage_error(fmt::format("'{}' needs a value", name), where, name + "=NUMBER");
    return set_number(s, number, has_value ? BALLAST_TRY(parse_double(value)) : number.bare, where);
  }
  if (name == "norm") return set_word(s.norm, value, kNorms, name, where);
  if (name == "placement") return set_word(s.placement, value, kPlacements, name, where);
  if (name == "activation") return set_word(s.activation, value, kActivations, name, where);
  return refused(name, where);
}

}  // namespace

std::string switch_names() {
  std::string names;
  for (const FlagSwitch& flag : kFlags) names += std::string(flag.key) + ", ";
  for (const NumberSwitch& number : kNumbers) names += std::string(number.key) + ", ";
  return names + "qk_norm_cap, qk_fc_norm, norm, placement, activation";
}

Json switches_json(const Switches& s) {
  const Switches plain;
  Json json = Json::object();
  const auto word = [&](const char* key, const char* text, const char* usual) {
    if (std::string(text) != usual) json[key] = text;
  };
  word("norm", text_of(s.norm, kNorms), "rms");
  word("placement", text_of(s.placement, kPlacements), "pre");
  word("activation", text_of(s.activation, kActivations), "swiglu");
  for (const FlagSwitch& flag : kFlags) {
    if (s.*flag.field) json[flag.key] = true;
  }
  for (const NumberSwitch& number : kNumbers) {
    if (s.*number.field != plain.*number.field) json[number.key] = s.*number.field;
  }
  return json;
}

Result<Switches> parse_switches(const Json& json, const std::string& where) {
  Switches s;
  for (const auto& [key, value] : json.items()) {
    const std::string at = "ballast." + key;
    if (key == "version") {
      if (value != 1)
        return usage_error("'ballast.version' is " + value.dump(), where, "accepted: 1");
      continue;
    }
    bool known = false;
    for (const FlagSwitch& flag : kFlags) {
      if (key != flag.key) continue;
      known = true;
      if (!value.is_boolean())
        return usage_error(fmt::format("'{}' is not true or false", at), where);
      s.*flag.field = value.get<bool>();
    }
    for (const NumberSwitch& number : kNumbers) {
      if (key != number.key) continue;
      known = true;
      if (!value.is_number()) return usage_error(fmt::format("'{}' is not a number", at), where);
      BALLAST_TRY(set_number(s, number, value.get<double>(), where));
    }
    if (known) continue;
    if (!value.is_string() || (key != "norm" && key != "placement" && key != "activation"))
      return usage_error(fmt::format("unknown key '{}'", printable(at)), where,
                         "accepted: version, " + switch_names());
    BALLAST_TRY(apply_item(s, key, value.get<std::string>(), true, where));
  }
  return s;
}

Result<Switches> apply_switches(const Switches& base, const std::string& list,
                                const std::string& flag) {
  Switches s = base;
  std::string_view rest = list;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string item(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    const size_t equals = item.find('=');
    const bool has_value = equals != std::string::npos;
    const std::string name = item.substr(0, equals);
    const std::string value = has_value ? item.substr(equals + 1) : "";
    const std::optional<std::string> pair = pair_of(name);
    if (!pair.has_value()) {
      BALLAST_TRY(apply_item(s, name, value, has_value, flag));
    } else if (has_value && name == "qk_norm_cap") {
      s = BALLAST_TRY(apply_switches(s, *pair + "=" + value, flag));
    } else if (has_value) {
      return usage_error(fmt::format("'{}' takes no value", name), flag);
    } else {
      s = BALLAST_TRY(apply_switches(s, *pair, flag));
    }
  }
  return s;
}

}  // namespace ballast
