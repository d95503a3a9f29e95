#include "tools/fp8probe/inputs.h"

#include <algorithm>
#include <map>

#include "libcore/checkpoint/address.h"
#include "libcore/cli/message.h"
#include "libcore/io/json.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr int64_t kIndexLimit = int64_t{1} << 28;

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

// A shard's name comes from a file: it must not lead out of its folder.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

Result<WeightMap> read_weight_map(FileSystem& fs, const std::string& path, int64_t* total_size) {
  const std::string text = BALLAST_TRY(read_file(fs, path, kIndexLimit));
  const Json index = BALLAST_TRY(parse_json(text, path));
  const Json* map = BALLAST_TRY(member(index, "weight_map", path));
  if (!map->is_object()) return corrupt_error("'weight_map' is not an object", path);
  WeightMap weights;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string() || !is_plain_name(shard.get<std::string>())) {
      return corrupt_error("shard of '" + printable(tensor) + "' is not a plain file name", path);
    }
    weights[tensor] = shard.get<std::string>();
  }
  if (weights.empty()) return corrupt_error("'weight_map' is empty", path);
  *total_size = -1;
  if (index.contains("metadata") && index["metadata"].is_object() &&
      index["metadata"].contains("total_size") &&
      index["metadata"]["total_size"].is_number_unsigned()) {
    *total_size = index["metadata"]["total_size"].get<int64_t>();
  }
  return weights;
}

Result<std::shared_ptr<const SafetensorsReader>> open_file(FileSystem& fs,
                                                           const std::string& path) {
  return std::make_shared<const SafetensorsReader>(BALLAST_TRY(SafetensorsReader::open(fs, path)));
}

Result<void> add_file(FileSystem& fs, const std::string& path, std::vector<InputTensor>& tensors) {
  const auto file = BALLAST_TRY(open_file(fs, path));
  for (const SafetensorsEntry& entry : file->entries()) {
    tensors.push_back({file, &entry, entry.name, false});
  }
  return {};
}

// Both directions: a mapped tensor is in its shard, and a shard's tensor is mapped to it.
Result<void> add_indexed_folder(FileSystem& fs, const std::string& folder,
                                std::vector<InputTensor>& tensors) {
  const std::string index_path = join_path(folder, kIndexName);
  int64_t total_size = -1;
  const WeightMap weights = BALLAST_TRY(read_weight_map(fs, index_path, &total_size));
  std::map<std::string, std::shared_ptr<const SafetensorsReader>> shards;
  for (const auto& [tensor, shard] : weights) {
    if (!shards.contains(shard)) {
      shards[shard] = BALLAST_TRY(open_file(fs, join_path(folder, shard)));
    }
    if (shards[shard]->find(tensor) == nullptr) {
      return corrupt_error("tensor '" + printable(tensor) + "' is not in " + printable(shard),
                           index_path);
    }
  }
  int64_t bytes = 0;
  for (const auto& [name, file] : shards) {
    for (const SafetensorsEntry& entry : file->entries()) {
      const auto mapped = weights.find(entry.name);
      if (mapped == weights.end() || mapped->second != name) {
        return corrupt_error(
            "index does not map tensor '" + printable(entry.name) + "' to its file", file->path());
      }
      bytes += entry.bytes();
      tensors.push_back({file, &entry, entry.name, false});
    }
  }
  if (total_size >= 0 && total_size != bytes) {
    print_warning(index_path + ": total_size is " + std::to_string(total_size) +
                  ", the tensors have " + std::to_string(bytes) + " bytes");
  }
  return {};
}

bool is_shard(const std::string& name, std::string_view prefix) {
  return name.starts_with(prefix) && name.ends_with(".safetensors");
}

// Tensors of an optim file are called KIND.PARAMETER (ballast-checkpoint(5)).
Result<void> add_moments(FileSystem& fs, const std::string& path,
                         std::vector<InputTensor>& tensors) {
  const auto file = BALLAST_TRY(open_file(fs, path));
  for (const SafetensorsEntry& entry : file->entries()) {
    if (entry.name.starts_with("m.") || entry.name.starts_with("v.")) {
      tensors.push_back({file, &entry, entry.name, true});
    }
  }
  return {};
}

// Whether `folder` itself holds weights; otherwise it may be a run with checkpoints below.
Result<bool> has_weights(FileSystem& fs, const std::string& folder) {
  if (fs.exists(join_path(folder, kIndexName))) return true;
  for (const std::string& name : BALLAST_TRY(fs.list(folder))) {
    if (name == "model.safetensors" || is_shard(name, "model-")) return true;
  }
  return false;
}

Result<void> add_folder(FileSystem& fs, const std::string& folder, bool moments,
                        std::vector<InputTensor>& tensors) {
  if (fs.exists(join_path(folder, kIndexName))) return add_indexed_folder(fs, folder, tensors);
  const size_t before = tensors.size();
  for (const std::string& name : BALLAST_TRY(fs.list(folder))) {
    if (name == "model.safetensors" || is_shard(name, "model-")) {
      BALLAST_TRY(add_file(fs, join_path(folder, name), tensors));
    } else if (moments && is_shard(name, "optim-")) {
      BALLAST_TRY(add_moments(fs, join_path(folder, name), tensors));
    }
  }
  if (moments && std::none_of(tensors.begin() + static_cast<std::ptrdiff_t>(before), tensors.end(),
                              [](const InputTensor& tensor) { return tensor.moment; })) {
    print_warning(folder + ": has no moments");
  }
  return {};
}

Result<void> add_checkpoints(FileSystem& fs, const std::string& address, bool moments,
                             std::vector<InputTensor>& tensors) {
  for (const CheckpointRef& checkpoint : BALLAST_TRY(resolve_checkpoints(fs, address))) {
    BALLAST_TRY(add_folder(fs, checkpoint.path, moments, tensors));
  }
  return {};
}

Result<void> add_operand(FileSystem& fs, const std::string& operand, bool moments,
                         std::vector<InputTensor>& tensors) {
  if (!fs.exists(operand) && operand.find('@') != std::string::npos) {
    return add_checkpoints(fs, operand, moments, tensors);
  }
  const FileInfo info = BALLAST_TRY(fs.info(operand));
  if (!info.is_directory) return add_file(fs, operand, tensors);
  if (BALLAST_TRY(has_weights(fs, operand))) return add_folder(fs, operand, moments, tensors);
  if (fs.exists(join_path(operand, "ckpt"))) {
    return add_checkpoints(fs, operand, moments, tensors);
  }
  return io_error("no weights in folder", operand,
                  "model.safetensors, its index, model-*.safetensors or a run's ckpt");
}

}  // namespace

Result<std::vector<InputTensor>> open_inputs(FileSystem& fs,
                                             const std::vector<std::string>& operands,
                                             bool moments) {
  std::vector<InputTensor> tensors;
  for (const std::string& operand : operands) {
    BALLAST_TRY(add_operand(fs, operand, moments, tensors));
  }
  return tensors;
}

}  // namespace ballast
