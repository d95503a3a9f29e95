#include "libcore/model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
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
    if (!error_.has_value()) error_ = usage_error(std::move(what), where_, std::move(why));
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

double rope_theta_of(KeyReader& keys, const Json& json) {
  double theta = keys.number("rope_theta", 1.0, 1e12, 10000.0);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!keys.has(key)) continue;
    const Json& rope = json.at(key);
    if (!rope.is_object()) {
      keys.fail(fmt::format("'{}' is not an object", key), "");
      continue;
    }
    const std::string type = rope.value("rope_type", rope.value("type", std::string("default")));
    if (type != "default")
      keys.fail(fmt::format("'{}' has rope_type '{}'", key, type), "only \"default\" is built");
    if (rope.contains("rope_theta") && rope.at("rope_theta").is_number())
      theta = rope.at("rope_theta").get<double>();
  }
  return theta;
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

struct Preset {
  const char* name;
  int64_t vocab, hidden, intermediate, layers, heads, kv_heads, context;
  bool tied;
};

constexpr std::array kPresets = {
    Preset{"demo-3m", 8192, 192, 512, 4, 6, 3, 1024, true},
    Preset{"llama-14m", 8192, 384, 1024, 6, 6, 6, 1024, true},
    Preset{"llama-124m", 32000, 768, 2048, 12, 12, 12, 2048, true},
    Preset{"zclip-1b", 65536, 2048, 5440, 16, 16, 16, 2048, false},
};

}  // namespace

Result<ModelConfig> parse_model_config(const Json& json, const std::string& where) {
  if (!json.is_object()) return usage_error("model config is not a JSON object", where);
  KeyReader keys(json, where);
  keys.only("model_type", "llama");
  keys.only("hidden_act", "silu");
  keys.only("attention_bias", false);
  keys.only("mlp_bias", false);
  keys.only("pretraining_tp", 1);
  if (keys.has("attention_dropout") && json.at("attention_dropout") != 0.0) {
    keys.fail("'attention_dropout' is " + json.at("attention_dropout").dump(), "only 0.0 is built");
  }
  if (keys.has("quantization_config"))
    keys.fail("'quantization_config' is set", "training from quantised weights is not built");
  if (keys.has("ballast")) {
    const Json& extra = json.at("ballast");
    if (!extra.is_object()) keys.fail("'ballast' is not an object", "");
    for (const auto& [key, value] : extra.items()) {
      if (key != "version")
        keys.fail(fmt::format("unknown key 'ballast.{}'", key), "accepted: version");
      else if (value != 1)
        keys.fail("'ballast.version' is " + value.dump(), "accepted: 1");
    }
  }
  for (const auto& [key, value] : json.items()) {
    if (!is_known_key(key) && !value.is_null()) {
      keys.fail(fmt::format("unknown key '{}'", printable(key)),
                "it could change the model and is not built");
    }
  }
  ModelConfig config;
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
  config.rms_norm_eps = keys.number("rms_norm_eps", 0.0, 1.0, 1e-6);
  config.initializer_range = keys.number("initializer_range", 0.0, 10.0, 0.02);
  config.tie_word_embeddings = keys.flag("tie_word_embeddings", false);
  config.rope_theta = rope_theta_of(keys, json);
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
  Json json;
  json["architectures"] = {"LlamaForCausalLM"};
  json["model_type"] = "llama";
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
  json["rope_scaling"] = nullptr;
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", config.rope_theta}};
  json["attention_bias"] = false;
  json["attention_dropout"] = 0.0;
  json["mlp_bias"] = false;
  json["dtype"] = "float32";
  json["torch_dtype"] = "float32";
  return json;
}

std::string difference(const ModelConfig& here, const ModelConfig& there) {
  const Json a = to_hugging_face_config(here);
  const Json b = to_hugging_face_config(there);
  for (const auto& [key, value] : a.items()) {
    if (b.at(key) != value)
      return fmt::format("{}: {} here, {} there", key, value.dump(), b.at(key).dump());
  }
  return "";
}

Result<ModelConfig> preset_config(const std::string& name) {
  for (const Preset& preset : kPresets) {
    if (name != preset.name) continue;
    ModelConfig config;
    config.vocab_size = preset.vocab;
    config.hidden_size = preset.hidden;
    config.intermediate_size = preset.intermediate;
    config.num_hidden_layers = preset.layers;
    config.num_attention_heads = preset.heads;
    config.num_key_value_heads = preset.kv_heads;
    config.head_dim = preset.hidden / preset.heads;
    config.max_position_embeddings = preset.context;
    config.tie_word_embeddings = preset.tied;
    return config;
  }
  return usage_error("unknown model preset '" + name + "'", "",
                     "accepted: a config.json, or " + preset_names());
}

std::string preset_names() {
  std::string names;
  for (const Preset& preset : kPresets)
    names += (names.empty() ? "" : ", ") + std::string(preset.name);
  return names;
}

}  // namespace ballast
