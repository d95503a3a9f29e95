#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/store.h"
#include "libcore/checkpoint/tensor_file.h"

namespace ballast {
namespace {

constexpr int64_t kManifestLimit = int64_t{256} << 20;

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// The table must list the parameters that the manifest lists; layouts of the flat index may differ.
Result<void> check_same_model(const Manifest& manifest, const ParamTable& table,
                              const std::string& path) {
  for (const ParameterRecord& parameter : manifest.parameters) {
    const ParamSpec* spec = table.find(parameter.name);
    if (spec == nullptr)
      return usage_error("checkpoint is of another model", path,
                         parameter.name + " is not in this model");
    const std::vector<int64_t> shape = spec->one_dimensional
                                           ? std::vector<int64_t>{spec->cols}
                                           : std::vector<int64_t>{spec->rows, spec->cols};
    if (shape != parameter.shape)
      return usage_error("checkpoint is of another model", path,
                         fmt::format("{}: {} here, {} there", parameter.name, shape_text(shape),
                                     shape_text(parameter.shape)));
  }
  if (manifest.parameters.size() != table.specs.size())
    return usage_error("checkpoint is of another model", path,
                       fmt::format("{} parameters here, {} there", table.specs.size(),
                                   manifest.parameters.size()));
  return {};
}

// Copies pieces of saved tensors to their place in the flat buffers.
class FlatTarget {
 public:
  FlatTarget(const Manifest& manifest, const ParamTable& table, const MutableFlatState& flat)
      : flat_(flat) {
    std::map<std::string_view, const ParamSpec*> specs;
    for (const ParamSpec& spec : table.specs) specs[spec.name] = &spec;
    for (const ParameterRecord& parameter : manifest.parameters)
      shift_[parameter.name] = specs.at(parameter.name)->flat_begin - parameter.flat_begin;
    for (float* buffer : {flat.master, flat.m, flat.v, flat.m2, flat.swa, flat.ema}) {
      if (buffer == nullptr) continue;
      for (const FlatRange& range : wanted(buffer))
        std::fill(buffer + range.begin, buffer + std::min(range.end, table.flat_size), 0.0f);
    }
  }

  float* buffer(std::string_view kind) const {
    return kind == "master" ? flat_.master
           : kind == "m"    ? flat_.m
           : kind == "v"    ? flat_.v
           : kind == "m2"   ? flat_.m2
           : kind == "swa"  ? flat_.swa
           : kind == "ema"  ? flat_.ema
                            : nullptr;
  }

  bool wants_optim() const {
    return flat_.m != nullptr || flat_.v != nullptr || flat_.m2 != nullptr ||
           flat_.swa != nullptr || flat_.ema != nullptr;
  }

  void put(std::string_view kind, std::string_view parameter, const TensorRecord& tensor,
           int64_t offset, Bytes data) const {
    float* into = buffer(kind);
    if (into == nullptr) return;
    // All tensors that are read are F32, and pieces are whole elements.
    const int64_t begin = tensor.flat_begin + shift_.find(parameter)->second + offset / 4;
    const int64_t end = begin + static_cast<int64_t>(data.size()) / 4;
    for (const FlatRange& range : wanted(into)) {
      const int64_t from = std::max(begin, range.begin), to = std::min(end, range.end);
      if (from < to)
        std::memcpy(into + from, data.data() + (from - begin) * 4,
                    static_cast<size_t>(to - from) * 4);
    }
  }

 private:
  std::vector<FlatRange> wanted(const float* buffer) const {
    const bool moment = buffer == flat_.m || buffer == flat_.v || buffer == flat_.m2;
    const std::vector<FlatRange>* keep = moment ? flat_.keep : flat_.keep_weights;
    return keep != nullptr ? *keep : std::vector<FlatRange>{{0, INT64_MAX}};
  }

  MutableFlatState flat_;
  std::map<std::string, int64_t, std::less<>> shift_;
};

Result<void> load_tensors(FileSystem& fs, const LoadedCheckpoint& loaded, const FlatTarget& flat) {
  const bool master_in_model = loaded.manifest.master == "model";
  for (const FileRecord& file : loaded.manifest.files) {
    if (file.tensors.empty()) continue;
    const bool optim = file.name.starts_with("optim-");
    if (!optim && !master_in_model) continue;  // rounded copies of what the optim files hold
    if (optim && master_in_model && !flat.wants_optim()) continue;
    BALLAST_TRY(read_tensor_file(
        fs, loaded.path, file, [&](const TensorRecord& tensor, int64_t offset, Bytes data) {
          const OptimName name =
              optim ? split_optim_name(tensor.name) : OptimName{"master", tensor.name};
          flat.put(name.kind, name.parameter, tensor, offset, data);
        }));
  }
  return {};
}

Result<std::string> read_listed(FileSystem& fs, const LoadedCheckpoint& loaded, const char* name) {
  const FileRecord* record = loaded.manifest.find(name);
  if (record == nullptr)
    return corrupt_error(std::string("manifest does not list ") + name, loaded.path);
  return read_plain_file(fs, loaded.path, *record);
}

}  // namespace

Result<LoadedCheckpoint> load_checkpoint_state(FileSystem& fs, const std::string& path) {
  LoadedCheckpoint loaded;
  loaded.path = path;
  loaded.manifest = BALLAST_TRY(check_complete(fs, path));
  const std::string manifest =
      BALLAST_TRY(read_file(fs, join_path(path, kManifestName), kManifestLimit));
  loaded.manifest_hash = xxh3_128(as_bytes(manifest)).hex();
  const std::string state = BALLAST_TRY(read_listed(fs, loaded, "state.json"));
  loaded.state = BALLAST_TRY(parse_state(state, join_path(path, "state.json")));
  if (loaded.state.step != loaded.manifest.step)
    return corrupt_error("state.json and the manifest are of different steps", path);
  const std::string config_path = join_path(path, "config.json");
  const std::string config = BALLAST_TRY(read_listed(fs, loaded, "config.json"));
  const Json json = BALLAST_TRY(parse_json(config, config_path));
  loaded.config = BALLAST_TRY(parse_model_config(json, config_path));
  return loaded;
}

Result<LoadedCheckpoint> load_checkpoint(FileSystem& fs, const std::string& path,
                                         const ParamTable& table, const MutableFlatState& flat) {
  LoadedCheckpoint loaded = BALLAST_TRY(load_checkpoint_state(fs, path));
  BALLAST_TRY(check_same_model(loaded.manifest, table, path));
  const CoverageReport coverage = check_coverage(loaded.manifest);
  if (coverage.verdict != Coverage::complete)
    return corrupt_error("checkpoint does not hold the whole state", path, coverage.why);
  BALLAST_TRY(load_tensors(fs, loaded, FlatTarget(loaded.manifest, table, flat)));
  return loaded;
}

}  // namespace ballast
