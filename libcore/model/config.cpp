#include "libcore/model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr int64_t kLargest = int64_t{1} << 31;

// Reads keys of one object with bounds; remembers the first failure so that the caller reads as a
// list of keys.
class KeyReader {
 public:
  KeyReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  bool has(const char* key) const { return json_.contains(key) && !json_.at(key).is_null(); }

  int64_t count(const char* key, int64_t minimum, int64_t maximum, int64_t fallback = -1) {
    if (!has(key)) {
      if (fallback < 0)
        fail(fmt::format("missing key '{}'", key),
             fmt::format("a whole number {}..{}", minimum, maximum));
      return fallback;
    }
    const Json& value = json_.at(key);
    if (!value.is_number_integer() || value.get<double>() < static_cast<double>(minimum) ||
        value.get<double>() > static_cast<double>(maximum)) {
      fail(fmt::format("'{}' is {}", key, value.dump()),
           fmt::format("accepted: a whole number {}..{}", minimum, maximum));
      return minimum;
    }
    return value.get<int64_t>();
  }

  double number(const char* key, double minimum, double maximum, double fallback) {
    if (!has(key)) return fallback;
    const Json& value = json_.at(key);
    if (!value.is_number() || !(value.get<double>() >= minimum && value.get<double>() <= maximum)) {
      fail(fmt::format("'{}' is {}", key, value.dump()),
           fmt::format("accepted: {}..{}", minimum, maximum));
      return fallback;
    }
    return value.get<double>();
  }

  bool flag(const char* key, bool fallback) {
    if (!has(key)) return fallback;
    if (!json_.at(key).is_boolean()) fail(fmt::format("'{}' is not true or false", key), "");
    return json_.at(key).is_boolean() && json_.at(key).get<bool>();
  }

  // A key that must have one value, since nothing else is built.
  void only(const char* key, const Json& accepted) {
    if (has(key) && json_.at(key) != accepted) {
      fail(fmt::format("'{}' is {}", key, json_.at(key).dump()),
           "only " + accepted.dump() + " is built");
    }
  }

  void fail(std::string what, std::string why) {
    fail(usage_error(std::move(what), where_, std::move(why)));
  }
  void fail(const Error& error) {
    if (!error_.has_value()) error_ = error;
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Json& json_;
  std::string where_;
  std::optional<Error> error_;
};

int64_t token_id(KeyReader& keys, const Json& json, const char* key, int64_t vocab_size) {
  if (!keys.has(key)) return -1;
  // Generation configs list several ends of text; the first is the one training appends.
  const Json& value = json.at(key);
  if (value.is_array() && !value.empty() && value.front().is_number_integer())
    return value.front().get<int64_t>();
  return keys.count(key, 0, vocab_size - 1);
}

// Both spellings: rope_theta and rope_scaling of transformers v4, rope_parameters of v5.
void read_rope(KeyReader& keys, const Json& json, const std::string& where, ModelConfig& config) {
  config.rope_theta = keys.number("rope_theta", 1.0, 1e12, 10000.0);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!keys.has(key)) continue;
    const Json& rope = json.at(key);
    if (!rope.is_object()) {
      keys.fail(fmt::format("'{}' is not an object", key), "");
      continue;
    }
    KeyReader inner(rope, where);
    const char* type_key = inner.has("rope_type") ? "rope_type" : "type";
    const Json type = inner.has(type_key) ? rope.at(type_key) : Json("default");
    if (type != "default" && type != "llama3") {
      keys.fail(fmt::format("'{}' has rope_type {}", key, type.dump()),
                "accepted: \"default\", \"llama3\"");
    }
    inner.only("partial_rotary_factor", 1.0);
    config.rope_theta = inner.number("rope_theta", 1.0, 1e12, config.rope_theta);
    if (type == "llama3") {
      RopeScaling& s = config.rope_scaling;
      s.factor = inner.number("factor", 1.0, 1e6, 8.0);
      s.low = inner.number("low_freq_factor", 1e-6, 1e6, 1.0);
      s.high = inner.number("high_freq_factor", 1e-6, 1e6, 4.0);
      s.original = inner.count("original_max_position_embeddings", 1, kLargest, 8192);
      if (!(s.high > s.low)) inner.fail("'high_freq_factor' is not above 'low_freq_factor'", "");
    }
    if (inner.error().has_value()) keys.fail(*inner.error());
  }
}

// What the model types that are read mean in switches.
struct Family {
  const char* model_type;
  bool gated, qk_norm;
  NormKind norm;
  const char* usual_act;
};
constexpr std::array kFamilies = {
    Family{"llama", true, false, NormKind::rms, "silu"},
    Family{"ballast", true, false, NormKind::rms, "silu"},
    Family{"qwen3", true, true, NormKind::rms, "silu"},
    Family{"apertus", false, true, NormKind::rms, "xielu"},
    Family{"arcee", false, false, NormKind::rms, "relu2"},
    Family{"nemotron", false, false, NormKind::layer, "relu2"},
};

void read_activation(KeyReader& keys, const Json& json, const Family& family, Switches& switches) {
  const Json act = keys.has("hidden_act") ? json.at("hidden_act") : Json(family.usual_act);
  if (family.gated) return keys.only("hidden_act", "silu");
  if (act == "xielu") {
    switches.activation = Activation::xielu;
  } else if (act == "gelu") {
    switches.activation = Activation::gelu;
  } else if (act == "relu2") {
    switches.activation = Activation::squared_relu;
  } else {
    keys.fail("'hidden_act' is " + act.dump(), "accepted: \"xielu\", \"gelu\", \"relu2\"");
  }
}

// Keys that a config.json may carry without changing what is computed here. Any other key that is
// not read below could (partial rotary factors, experts, windows), so it is refused by name.
constexpr std::array kHarmlessKeys = {"architectures",
                                      "transformers_version",
                                      "use_cache",
                                      "torch_dtype",
                                      "dtype",
                                      "_name_or_path",
                                      "name_or_path",
                                      "return_dict",
                                      "output_attentions",
                                      "output_hidden_states",
                                      "max_new_tokens",
                                      "temperature",
                                      "top_p",
                                      "task_specific_params",
                                      "id2label",
                                      "label2id"};
constexpr std::array kReadKeys = {"model_type",
                                  "hidden_act",
                                  "attention_bias",
                                  "mlp_bias",
                                  "pretraining_tp",
                                  "attention_dropout",
                                  "quantization_config",
                                  "ballast",
                                  "qk_norm",
                                  "post_norm",
                                  "hidden_dropout",
                                  "norm_eps",
                                  "partial_rotary_factor",
                                  "use_sliding_window",
                                  "sliding_window",
                                  "vocab_size",
                                  "hidden_size",
                                  "intermediate_size",
                                  "num_hidden_layers",
                                  "num_attention_heads",
                                  "num_key_value_heads",
                                  "head_dim",
                                  "max_position_embeddings",
                                  "rms_norm_eps",
                                  "initializer_range",
                                  "tie_word_embeddings",
                                  "rope_theta",
                                  "rope_parameters",
                                  "rope_scaling",
                                  "bos_token_id",
                                  "eos_token_id",
                                  "pad_token_id"};

bool is_known_key(const std::string& key) {
  const auto equal = [&](const char* known) { return key == known; };
  return std::ranges::any_of(kHarmlessKeys, equal) || std::ranges::any_of(kReadKeys, equal);
}

// Experts are the one thing people will try first; they deserve a name.
bool names_experts(const std::string& key) {
  return key.find("expert") != std::string::npos || key.starts_with("router_");
}

// What kind of model it is, and what of that is not built.
void read_kind(KeyReader& keys, const Json& json, ModelConfig& config) {
  const Json type = keys.has("model_type") ? json.at("model_type") : Json("llama");
  const auto* family = std::ranges::find_if(
      kFamilies, [&](const Family& known) { return type == known.model_type; });
  if (family == kFamilies.end()) {
    std::string names;
    for (const Family& known : kFamilies) names += fmt::format("\"{}\", ", known.model_type);
    return keys.fail("'model_type' is " + type.dump(),
                     "accepted: " + names + "none; mixtures of experts are not built");
  }
  config.switches.qk_norm = family->qk_norm;
  config.switches.norm = family->norm;
  read_activation(keys, json, *family, config.switches);
  keys.only("qk_norm", family->qk_norm);
  keys.only("post_norm", false);
  keys.only("use_sliding_window", false);
  keys.only("partial_rotary_factor", 1.0);
  keys.only("attention_bias", false);
  keys.only("mlp_bias", false);
  keys.only("pretraining_tp", 1);
  for (const char* key : {"attention_dropout", "hidden_dropout"}) {
    if (keys.has(key) && json.at(key) != 0.0)
      keys.fail(fmt::format("'{}' is {}", key, json.at(key).dump()), "only 0.0 is built");
  }
  if (keys.has("quantization_config"))
    keys.fail("'quantization_config' is set", "training from quantised weights is not built");
}

void read_switches(KeyReader& keys, const Json& json, const std::string& where,
                   ModelConfig& config) {
  if (!keys.has("ballast")) return;
  if (!json.at("ballast").is_object()) return keys.fail("'ballast' is not an object", "");
  if (config.switches != Switches{})
    return keys.fail("'ballast' stands in a config of another model type",
                     "accepted: model_type \"llama\" or \"ballast\"");
  auto switches = parse_switches(json.at("ballast"), where);
  if (!switches.ok()) return keys.fail(switches.error());
  config.switches = *switches;
}

Json rope_scaling_json(const RopeScaling& scaling) {
  if (scaling.factor == 0) return nullptr;
  return {{"rope_type", "llama3"},
          {"factor", scaling.factor},
          {"low_freq_factor", scaling.low},
          {"high_freq_factor", scaling.high},
          {"original_max_position_embeddings", scaling.original}};
}

}  // namespace

Result<ModelConfig> parse_model_config(const Json& json, const std::string& where) {
  if (!json.is_object()) return usage_error("model config is not a JSON object", where);
  KeyReader keys(json, where);
  ModelConfig config;
  read_kind(keys, json, config);
  read_switches(keys, json, where, config);
  for (const auto& [key, value] : json.items()) {
    if (!is_known_key(key) && !value.is_null()) {
      keys.fail(fmt::format("unknown key '{}'", printable(key)),
                names_experts(key) ? "mixtures of experts are not built"
                                   : "it could change the model and is not built");
    }
  }
  config.vocab_size = keys.count("vocab_size", 2, kLargest);
  config.hidden_size = keys.count("hidden_size", 1, 1 << 20);
  config.intermediate_size = keys.count("intermediate_size", 1, 1 << 22);
  config.num_hidden_layers = keys.count("num_hidden_layers", 1, 4096);
  config.num_attention_heads = keys.count("num_attention_heads", 1, 4096);
  config.num_key_value_heads =
      keys.count("num_key_value_heads", 1, 4096, config.num_attention_heads);
  const int64_t heads = std::max<int64_t>(1, config.num_attention_heads);
  config.head_dim = keys.count("head_dim", 2, 4096, config.hidden_size / heads);
  config.max_position_embeddings = keys.count("max_position_embeddings", 1, kLargest, 2048);
  const char* eps_key = keys.has("norm_eps") ? "norm_eps" : "rms_norm_eps";
  config.rms_norm_eps = keys.number(eps_key, 0.0, 1.0, 1e-6);
  config.initializer_range = keys.number("initializer_range", 0.0, 10.0, 0.02);
  config.tie_word_embeddings = keys.flag("tie_word_embeddings", false);
  read_rope(keys, json, where, config);
  config.bos_token_id = token_id(keys, json, "bos_token_id", config.vocab_size);
  config.eos_token_id = token_id(keys, json, "eos_token_id", config.vocab_size);
  config.pad_token_id = token_id(keys, json, "pad_token_id", config.vocab_size);
  if (!keys.has("head_dim") && config.hidden_size % heads != 0) {
    keys.fail(fmt::format("'hidden_size' {} is not a multiple of 'num_attention_heads' {}",
                          config.hidden_size, heads),
              "");
  }
  if (config.head_dim % 2 != 0)
    keys.fail(fmt::format("head_dim {} is odd", config.head_dim),
              "rotary halves need an even head_dim");
  if (config.num_attention_heads % std::max<int64_t>(1, config.num_key_value_heads) != 0) {
    keys.fail(fmt::format("'num_attention_heads' {} is not a multiple of 'num_key_value_heads' {}",
                          config.num_attention_heads, config.num_key_value_heads),
              "");
  }
  if (keys.error().has_value()) return *keys.error();
  return config;
}

Json to_hugging_face_config(const ModelConfig& config) {
  const Json switches = switches_json(config.switches);
  Json json;
  json["architectures"] = {switches.empty() ? "LlamaForCausalLM" : "BallastForCausalLM"};
  json["model_type"] = switches.empty() ? "llama" : "ballast";
  json["vocab_size"] = config.vocab_size;
  json["hidden_size"] = config.hidden_size;
  json["intermediate_size"] = config.intermediate_size;
  json["num_hidden_layers"] = config.num_hidden_layers;
  json["num_attention_heads"] = config.num_attention_heads;
  json["num_key_value_heads"] = config.num_key_value_heads;
  json["head_dim"] = config.head_dim;
  json["hidden_act"] = "silu";
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["initializer_range"] = config.initializer_range;
  json["rms_norm_eps"] = config.rms_norm_eps;
  json["use_cache"] = true;
  const auto id = [](int64_t token) { return token < 0 ? Json(nullptr) : Json(token); };
  json["bos_token_id"] = id(config.bos_token_id);
  json["eos_token_id"] = id(config.eos_token_id);
  json["pad_token_id"] = id(config.pad_token_id);
  json["pretraining_tp"] = 1;
  json["tie_word_embeddings"] = config.tie_word_embeddings;
  json["rope_theta"] = config.rope_theta;
  const Json scaling = rope_scaling_json(config.rope_scaling);
  json["rope_scaling"] = scaling;
  json["rope_parameters"] = scaling.is_null() ? Json{{"rope_type", "default"}} : scaling;
  json["rope_parameters"]["rope_theta"] = config.rope_theta;
  json["attention_bias"] = false;
  json["attention_dropout"] = 0.0;
  json["mlp_bias"] = false;
  json["dtype"] = "float32";
  json["torch_dtype"] = "float32";
  if (!switches.empty()) {
    json["ballast"]["version"] = 1;
    for (const auto& [key, value] : switches.items()) json["ballast"][key] = value;
  }
  return json;
}

std::string difference(const ModelConfig& here, const ModelConfig& there) {
  const Json a = to_hugging_face_config(here);
  const Json b = to_hugging_face_config(there);
  const auto text = [](const Json& json, const std::string& key) {
    return json.contains(key) ? json.at(key).dump() : "none";
  };
  for (const Json* side : {&a, &b}) {
    for (const auto& [key, value] : side->items()) {
      if (text(a, key) != text(b, key))
        return fmt::format("{}: {} here, {} there", key, text(a, key), text(b, key));
    }
  }
  return "";
}

double ModelConfig::rope_frequency(int64_t j) const {
  const double w =
      std::pow(rope_theta, -2.0 * static_cast<double>(j) / static_cast<double>(head_dim));
  const RopeScaling& s = rope_scaling;
  if (s.factor == 0) return w;
  const auto original = static_cast<double>(s.original);
  const double wavelength = 2 * std::numbers::pi / w;
  if (wavelength < original / s.high) return w;
  if (wavelength > original / s.low) return w / s.factor;
  const double q = (original / wavelength - s.low) / (s.high - s.low);
  return (1 - q) * w / s.factor + q * w;
}

double ModelConfig::score_scale() const {
  const auto d = static_cast<double>(head_dim);
  const double scale =
      switches.mup_base_width > 0 ? std::sqrt(switches.mup_base_head_dim) / d : 1.0 / std::sqrt(d);
  return switches.soft_temp * scale;
}

}  // namespace ballast
