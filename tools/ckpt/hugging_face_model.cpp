#include "tools/ckpt/hugging_face_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tools/ckpt/tensor_set.h"

namespace ballast {
namespace {

struct Class {
  const char* name;
  const char* model_type;
  bool gated, qk_norm, xielu;
  NormKind norm;
  float gain_offset;  // what the class adds to every stored norm gain
};
constexpr std::array kClasses = {
    Class{"LlamaForCausalLM", "llama", true, false, false, NormKind::rms, 0},
    Class{"Qwen3ForCausalLM", "qwen3", true, true, false, NormKind::rms, 0},
    Class{"ApertusForCausalLM", "apertus", false, true, true, NormKind::rms, 0},
    Class{"ArceeForCausalLM", "arcee", false, false, false, NormKind::rms, 0},
    Class{"NemotronForCausalLM", "nemotron", false, false, false, NormKind::layer, 1},
};

// The first switch of a folded model that no class has.
std::optional<std::string> homeless_switch(const Switches& s) {
  if (s.placement == NormPlacement::post) return "placement=post";
  if (s.soft_cap > 0) return "soft_cap";
  if (s.soft_clip) return "soft_clip";
  if (s.qkv_norm) return "qkv_norm";
  if (s.fc_norm) return "fc_norm";
  return std::nullopt;
}

std::string words_of(const Switches& s) {
  std::string words;
  const Json json = switches_json(s);
  for (const auto& [key, value] : json.items()) {
    words += (words.empty() ? "" : ",") + key;
    if (value.is_string()) words += "=" + value.get<std::string>();
  }
  return words;
}

Result<const Class*> class_of(const Switches& s) {
  if (const auto name = homeless_switch(s); name.has_value())
    return usage_error(fmt::format("cannot convert a model with '{}'", *name), "",
                       "no Hugging Face class computes it");
  for (const Class& known : kClasses) {
    if (known.gated == s.gated() && known.qk_norm == s.qk_norm && known.norm == s.norm &&
        (known.xielu || s.activation != Activation::xielu))
      return &known;
  }
  return usage_error(fmt::format("cannot convert a model with '{}'", words_of(s)), "",
                     "no Hugging Face class computes this combination");
}

const Class* class_named(const Json& config) {
  for (const Class& known : kClasses) {
    if (config.contains("model_type") && config.at("model_type") == known.model_type) return &known;
  }
  return nullptr;
}

// The name that `type` has for a parameter.
std::string name_in(const Class& type, const std::string& name) {
  if (std::string_view(type.model_type) != "apertus") return name;
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"post_attention_layernorm", "feedforward_layernorm"},
      {"input_layernorm", "attention_layernorm"}};
  for (const auto& [ours, theirs] : kNames) {
    const size_t at = name.find(ours);
    if (at != std::string::npos) return std::string(name).replace(at, ours.size(), theirs);
  }
  return name;
}

bool is_offset(const Class& type, const ParamSpec& spec) {
  return type.gain_offset != 0 && spec.role == ParamRole::norm && spec.name.ends_with(".weight");
}

Json config_of(const Class& type, const ModelConfig& model) {
  ModelConfig plain = model;
  plain.switches = {};
  Json json = to_hugging_face_config(plain);
  json["architectures"] = {type.name};
  json["model_type"] = type.model_type;
  const std::string_view name = type.model_type;
  if (name == "llama") return json;
  json.erase("pretraining_tp");
  switch (model.switches.activation) {
    case Activation::swiglu:
      break;
    case Activation::gelu:
      json["hidden_act"] = "gelu";
      break;
    case Activation::squared_relu:
      json["hidden_act"] = "relu2";
      break;
    case Activation::xielu:
      json["hidden_act"] = "xielu";
      break;
  }
  if (name == "qwen3") json["use_sliding_window"] = false;
  if (name == "nemotron") {
    json.erase("rms_norm_eps");
    json["norm_eps"] = model.rms_norm_eps;
    json["partial_rotary_factor"] = 1.0;
    json["rope_parameters"]["partial_rotary_factor"] = 1.0;
  }
  return json;
}

// The constants that Apertus keeps beside the scalars of xIELU.
void add_xielu_constants(HuggingFaceModel& to, const ModelConfig& config) {
  to.owned.push_back({0.5f, -1e-6f});
  const float* values = to.owned.back().data();
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    const std::string at = fmt::format("model.layers.{}.mlp.act_fn.", l);
    to.tensors.push_back({at + "beta", {}, values, 1});
    to.tensors.push_back({at + "eps", {}, values + 1, 1});
  }
}

}  // namespace

Result<HuggingFaceModel> map_to_hugging_face(const FoldedModel& model) {
  const Class& type = *BALLAST_TRY(class_of(model.config.switches));
  HuggingFaceModel to;
  to.config = config_of(type, model.config);
  for (const ParamSpec& spec : model.table.specs) {
    HuggingFaceTensor tensor;
    tensor.name = name_in(type, spec.name);
    tensor.shape = spec.one_dimensional ? std::vector<int64_t>{spec.cols}
                                        : std::vector<int64_t>{spec.rows, spec.cols};
    tensor.elements = spec.elements();
    tensor.values = model.master.data() + spec.flat_begin;
    if (is_offset(type, spec)) {
      to.owned.emplace_back(tensor.values, tensor.values + tensor.elements);
      for (float& value : to.owned.back()) value -= type.gain_offset;
      tensor.values = to.owned.back().data();
    }
    to.tensors.push_back(std::move(tensor));
  }
  if (model.config.switches.activation == Activation::xielu) add_xielu_constants(to, model.config);
  return to;
}

Result<FoldedModel> read_hugging_face(FileSystem& fs, const std::string& folder) {
  const std::string path = join_path(folder, "config.json");
  const std::string text = BALLAST_TRY(read_file(fs, path, 1 << 20));
  const Json json = BALLAST_TRY(parse_json(text, path));
  FoldedModel model;
  model.config = BALLAST_TRY(parse_model_config(json, path));
  model.table = make_param_table(model.config);
  model.master.assign(static_cast<size_t>(model.table.flat_size), 0.0f);
  const Class* type = class_named(json);
  if (type == nullptr) return usage_error("the model type has no class", path);
  const TensorSet tensors = BALLAST_TRY(TensorSet::open(fs, folder));
  for (const ParamSpec& spec : model.table.specs) {
    const std::string name = name_in(*type, spec.name);
    const auto entry = tensors.entries().find(name);
    if (entry == tensors.entries().end())
      return corrupt_error("tensor is missing: " + name, folder);
    if (entry->second.elements != spec.elements())
      return corrupt_error("tensor has another size: " + name, folder);
    const std::vector<float> values = BALLAST_TRY(tensors.read(name));
    const float offset = is_offset(*type, spec) ? type->gain_offset : 0.0f;
    std::ranges::transform(values, model.master.data() + spec.flat_begin,
                           [&](float value) { return value + offset; });
  }
  return model;
}

}  // namespace ballast
