#include "tools/ckpt/hugging_face.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/io/safetensors.h"
#include "libcore/precision/half.h"

namespace ballast {
namespace {

constexpr int64_t kChunkElements = int64_t{1} << 18;

// The text of a token id: among the added tokens, else in the vocabulary of a BPE model.
std::string token_text(const Json& tokenizer, int64_t id) {
  if (id < 0) return "";
  if (tokenizer.contains("added_tokens") && tokenizer.at("added_tokens").is_array()) {
    for (const Json& token : tokenizer.at("added_tokens")) {
      if (token.is_object() && token.contains("id") && token.at("id") == id &&
          token.contains("content") && token.at("content").is_string())
        return token.at("content").get<std::string>();
    }
  }
  const Json model = tokenizer.value("model", Json::object());
  if (model.is_object() && model.contains("vocab") && model.at("vocab").is_object()) {
    for (const auto& [text, value] : model.at("vocab").items()) {
      if (value == id) return text;
    }
  }
  return "";
}

Json special_tokens(const ModelConfig& config, const Json& tokenizer) {
  Json map = Json::object();
  const auto add = [&](const char* key, int64_t id) {
    const std::string text = token_text(tokenizer, id);
    if (!text.empty()) map[key] = text;
  };
  add("bos_token", config.bos_token_id);
  add("eos_token", config.eos_token_id);
  add("pad_token", config.pad_token_id);
  return map;
}

Json generation_config(const ModelConfig& config) {
  Json json;
  json["_from_model_config"] = true;
  if (config.bos_token_id >= 0) json["bos_token_id"] = config.bos_token_id;
  if (config.eos_token_id >= 0) json["eos_token_id"] = config.eos_token_id;
  if (config.pad_token_id >= 0) json["pad_token_id"] = config.pad_token_id;
  return json;
}

struct Shard {
  std::string name;
  std::vector<const HuggingFaceTensor*> tensors;
  int64_t bytes = 0;
};

std::vector<Shard> plan_shards(const HuggingFaceModel& model, const HuggingFaceOptions& options) {
  const int64_t width = options.dtype == "F32" ? 4 : 2;
  std::vector<Shard> shards(1);
  for (const HuggingFaceTensor& tensor : model.tensors) {
    const int64_t bytes = tensor.elements * width;
    if (shards.back().bytes > 0 && shards.back().bytes + bytes > options.shard_bytes)
      shards.emplace_back();
    shards.back().tensors.push_back(&tensor);
    shards.back().bytes += bytes;
  }
  if (shards.size() == 1) {
    shards[0].name = "model.safetensors";
    return shards;
  }
  for (size_t i = 0; i < shards.size(); ++i)
    shards[i].name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  return shards;
}

std::string index_text(const std::vector<Shard>& shards) {
  Json map = Json::object();
  int64_t bytes = 0, parameters = 0;
  for (const Shard& shard : shards) {
    bytes += shard.bytes;
    for (const HuggingFaceTensor* tensor : shard.tensors) {
      map[tensor->name] = shard.name;
      parameters += tensor->elements;
    }
  }
  Json json;
  json["metadata"] = {{"total_size", bytes}, {"total_parameters", parameters}};
  json["weight_map"] = std::move(map);
  return to_json_text(json);
}

Result<void> append_tensor(SafetensorsWriter& writer, const float* values, int64_t elements,
                           bool rounded) {
  std::vector<uint16_t> buffer;
  for (int64_t begin = 0; begin < elements; begin += kChunkElements) {
    const auto count = static_cast<size_t>(std::min(kChunkElements, elements - begin));
    const std::span<const float> chunk(values + begin, count);
    if (!rounded) {
      BALLAST_TRY(writer.append(std::as_bytes(chunk)));
      continue;
    }
    buffer.resize(count);
    std::ranges::transform(chunk, buffer.begin(), float_to_bf16);
    BALLAST_TRY(writer.append(std::as_bytes(std::span(buffer))));
  }
  return {};
}

Result<void> write_shard(FileSystem& fs, const std::string& directory, const Shard& shard,
                         const std::string& dtype) {
  std::vector<SafetensorsEntry> entries;
  for (const HuggingFaceTensor* tensor : shard.tensors) {
    SafetensorsEntry entry;
    entry.name = tensor->name;
    entry.dtype = dtype;
    entry.shape = tensor->shape;
    entries.push_back(std::move(entry));
  }
  auto writer = BALLAST_TRY(
      SafetensorsWriter::create(fs, join_path(directory, shard.name), std::move(entries), {}));
  for (const HuggingFaceTensor* tensor : shard.tensors)
    BALLAST_TRY(append_tensor(writer, tensor->values, tensor->elements, dtype != "F32"));
  BALLAST_TRY(writer.finish());
  return {};
}

Result<void> write_text(FileSystem& fs, const std::string& path, const std::string& text) {
  auto file = BALLAST_TRY(fs.create_exclusive(path));
  BALLAST_TRY(file->append(as_bytes(text)));
  BALLAST_TRY(file->sync());
  return file->close();
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> hugging_face_texts(
    const ModelConfig& config, const Json& model_json, const std::string& tokenizer,
    const std::string& dtype) {
  Json model = model_json;
  model["dtype"] = dtype == "F32" ? "float32" : "bfloat16";
  model["torch_dtype"] = model["dtype"];
  std::vector<std::pair<std::string, std::string>> texts = {
      {"config.json", to_json_text(model)},
      {"generation_config.json", to_json_text(generation_config(config))}};
  if (tokenizer.empty()) return texts;
  const Json parsed = BALLAST_TRY(parse_json(tokenizer, "tokenizer.json"));
  if (!parsed.is_object()) return corrupt_error("not a JSON object", "tokenizer.json");
  const Json special = special_tokens(config, parsed);
  Json settings;
  settings["tokenizer_class"] = "PreTrainedTokenizerFast";
  for (const auto& [key, value] : special.items()) settings[key] = value;
  settings["model_max_length"] = config.max_position_embeddings;
  settings["clean_up_tokenization_spaces"] = false;
  texts.emplace_back("tokenizer.json", tokenizer);
  texts.emplace_back("tokenizer_config.json", to_json_text(settings));
  texts.emplace_back("special_tokens_map.json", to_json_text(special));
  return texts;
}

Result<void> write_hugging_face(FileSystem& fs, const std::string& directory,
                                const ModelConfig& config, const HuggingFaceModel& model,
                                const std::string& tokenizer, const HuggingFaceOptions& options) {
  const std::vector<Shard> shards = plan_shards(model, options);
  for (const Shard& shard : shards) BALLAST_TRY(write_shard(fs, directory, shard, options.dtype));
  auto texts = BALLAST_TRY(hugging_face_texts(config, model.config, tokenizer, options.dtype));
  if (shards.size() > 1) texts.emplace_back("model.safetensors.index.json", index_text(shards));
  for (const auto& [name, text] : texts)
    BALLAST_TRY(write_text(fs, join_path(directory, name), text));
  return fs.sync_directory(directory);
}

}  // namespace ballast
