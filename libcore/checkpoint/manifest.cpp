#include "libcore/checkpoint/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "libcore/checkpoint/json_fields.h"
#include "libcore/io/safetensors.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr const char* kSelfKey = "manifest_xxh3_128";
constexpr std::array<std::string_view, 6> kKinds = {"master", "m", "v", "m2", "swa", "ema"};
// Only some runs have these; a checkpoint holds the whole of one or nothing of it.
constexpr std::array<std::string_view, 3> kOptionalKinds = {"m2", "swa", "ema"};

Json tensor_json(const TensorRecord& tensor) {
  Json json;
  json["name"] = tensor.name;
  json["dtype"] = tensor.dtype;
  json["shape"] = tensor.shape;
  json["bytes"] = Json::array({tensor.begin, tensor.end});
  json["flat"] = Json::array({tensor.flat_begin, tensor.flat_end});
  json["xxh3_128"] = tensor.hash.hex();
  return json;
}

Json file_json(const FileRecord& file) {
  Json json;
  json["name"] = file.name;
  json["bytes"] = file.bytes;
  json["xxh3_128"] = file.hash.hex();
  if (!file.tensors.empty()) {
    Json tensors = Json::array();
    for (const TensorRecord& tensor : file.tensors) tensors.push_back(tensor_json(tensor));
    json["tensors"] = std::move(tensors);
  }
  return json;
}

Json manifest_json(const Manifest& manifest) {
  Json json;
  json["format"] = "ballast-checkpoint";
  json["version"] = kManifestVersion;
  json["step"] = manifest.step;
  json["tokens"] = manifest.tokens;
  json["samples"] = manifest.samples;
  json["segment"] = manifest.segment;
  json["model_dtype"] = manifest.model_dtype;
  json["master"] = manifest.master;
  Json files = Json::array();
  for (const FileRecord& file : manifest.files) files.push_back(file_json(file));
  json["files"] = std::move(files);
  Json parameters = Json::array();
  for (const ParameterRecord& parameter : manifest.parameters) {
    Json entry;
    entry["name"] = parameter.name;
    entry["shape"] = parameter.shape;
    entry["flat"] = Json::array({parameter.flat_begin, parameter.flat_end});
    parameters.push_back(std::move(entry));
  }
  json["parameters"] = std::move(parameters);
  json["run"] = manifest.run;
  return json;
}

std::string self_hash(const Json& without_self) {
  const std::string text = to_json_line(without_self);
  return xxh3_128(as_bytes(text)).hex();
}

struct Range {
  int64_t begin, end;
};
Result<Hash128> parse_hash(const Json& object, const std::string& where) {
  const std::string hex = BALLAST_TRY(string_member(object, "xxh3_128", where));
  auto hash = parse_hash128(hex);
  if (!hash.ok()) return corrupt_error(hash.error().what, where, hash.error().why);
  return hash;
}

Result<Range> parse_range(const Json& object, const std::string& key, const std::string& where) {
  const Json* pair = BALLAST_TRY(array_field(object, key, where));
  if (pair->size() != 2 || !pair->at(0).is_number_integer() || !pair->at(1).is_number_integer()) {
    return corrupt_error("'" + key + "' is not [begin, end]", where);
  }
  const Range range{pair->at(0).get<int64_t>(), pair->at(1).get<int64_t>()};
  if (range.begin < 0 || range.end < range.begin) {
    return corrupt_error(fmt::format("'{}' is [{}, {}]", key, range.begin, range.end), where,
                         "accepted: 0 <= begin <= end");
  }
  return range;
}

Result<std::vector<int64_t>> parse_shape(const Json& object, const std::string& where) {
  const Json* array = BALLAST_TRY(array_field(object, "shape", where));
  std::vector<int64_t> shape;
  for (const Json& extent : *array) {
    if (!extent.is_number_integer() || extent.get<int64_t>() < 0)
      return corrupt_error("an extent of 'shape' is not a whole number", where);
    shape.push_back(extent.get<int64_t>());
  }
  if (shape.size() > 8) return corrupt_error("'shape' has more than 8 extents", where);
  return shape;
}

// -1 when the product overflows.
int64_t elements_of(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(product, extent, &product)) return -1;
  }
  return product;
}

Result<TensorRecord> parse_tensor(const Json& json, const std::string& where) {
  BALLAST_TRY(
      refuse_unknown_fields(json, {"name", "dtype", "shape", "bytes", "flat", "xxh3_128"}, where));
  TensorRecord tensor;
  tensor.name = BALLAST_TRY(string_member(json, "name", where));
  const std::string at = where + ": " + printable(tensor.name);
  tensor.dtype = BALLAST_TRY(string_member(json, "dtype", at));
  tensor.shape = BALLAST_TRY(parse_shape(json, at));
  const Range bytes = BALLAST_TRY(parse_range(json, "bytes", at));
  const Range flat = BALLAST_TRY(parse_range(json, "flat", at));
  tensor.begin = bytes.begin;
  tensor.end = bytes.end;
  tensor.flat_begin = flat.begin;
  tensor.flat_end = flat.end;
  tensor.hash = BALLAST_TRY(parse_hash(json, at));
  const int64_t elements = elements_of(tensor.shape);
  int64_t bits = safetensors_bits(tensor.dtype);
  if (bits == 0) return corrupt_error("unknown dtype '" + printable(tensor.dtype) + "'", at);
  if (elements != flat.end - flat.begin || __builtin_mul_overflow(bits, elements, &bits) ||
      bits / 8 != bytes.end - bytes.begin) {
    return corrupt_error("'shape', 'bytes' and 'flat' disagree", at);
  }
  return tensor;
}

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name != kManifestName && name.find('/') == std::string_view::npos &&
         printable(name) == name;
}

Result<FileRecord> parse_file(const Json& json, const std::string& where) {
  BALLAST_TRY(refuse_unknown_fields(json, {"name", "bytes", "xxh3_128", "tensors"}, where));
  FileRecord file;
  file.name = BALLAST_TRY(string_member(json, "name", where));
  if (!is_plain_file_name(file.name)) {
    return corrupt_error("'" + printable(file.name) + "' is not a plain file name", where);
  }
  const std::string at = where + ": " + file.name;
  file.bytes = BALLAST_TRY(count_field(json, "bytes", at));
  file.hash = BALLAST_TRY(parse_hash(json, at));
  if (!json.contains("tensors")) return file;
  int64_t reached = 0;
  for (const Json& entry : *BALLAST_TRY(array_field(json, "tensors", at))) {
    file.tensors.push_back(BALLAST_TRY(parse_tensor(entry, at)));
    const TensorRecord& tensor = file.tensors.back();
    if (tensor.begin != reached || tensor.end > file.bytes) {
      return corrupt_error("bytes of the tensors do not follow one another",
                           at + ": " + printable(tensor.name));
    }
    reached = tensor.end;
  }
  return file;
}

Result<void> parse_parameters(const Json& json, Manifest& manifest, const std::string& where) {
  int64_t reached = 0;
  std::set<std::string> names;
  for (const Json& entry : *BALLAST_TRY(array_field(json, "parameters", where))) {
    BALLAST_TRY(refuse_unknown_fields(entry, {"name", "shape", "flat"}, where));
    ParameterRecord parameter;
    parameter.name = BALLAST_TRY(string_member(entry, "name", where));
    const std::string at = where + ": " + printable(parameter.name);
    parameter.shape = BALLAST_TRY(parse_shape(entry, at));
    const Range flat = BALLAST_TRY(parse_range(entry, "flat", at));
    parameter.flat_begin = flat.begin;
    parameter.flat_end = flat.end;
    if (elements_of(parameter.shape) != flat.end - flat.begin || flat.begin < reached) {
      return corrupt_error("'shape' and 'flat' of a parameter disagree or overlap", at);
    }
    reached = flat.end;
    if (!names.insert(parameter.name).second) return corrupt_error("parameter listed twice", at);
    manifest.parameters.push_back(std::move(parameter));
  }
  return {};
}

Result<void> parse_files(const Json& json, Manifest& manifest, const std::string& where) {
  std::set<std::string> names;
  int64_t total = 0;
  for (const Json& entry : *BALLAST_TRY(array_field(json, "files", where))) {
    manifest.files.push_back(BALLAST_TRY(parse_file(entry, where)));
    if (!names.insert(manifest.files.back().name).second)
      return corrupt_error("file listed twice", where + ": " + manifest.files.back().name);
    total += manifest.files.back().bytes;  // two terms of at most 2^62 each
    if (total > (int64_t{1} << 62)) return corrupt_error("files are too large together", where);
  }
  return {};
}

// What is stored of each parameter: pieces by (kind, parameter), in flat order.
using Pieces = std::map<std::pair<std::string, std::string>, std::vector<const TensorRecord*>>;

Pieces collect_pieces(const Manifest& manifest) {
  Pieces pieces;
  for (const FileRecord& file : manifest.files) {
    const bool optim = file.name.starts_with("optim-");
    for (const TensorRecord& tensor : file.tensors) {
      const OptimName name = optim ? split_optim_name(tensor.name) : OptimName{"", tensor.name};
      pieces[{std::string(name.kind), std::string(name.parameter)}].push_back(&tensor);
    }
  }
  for (auto& [key, list] : pieces) {
    std::ranges::stable_sort(
        list, {}, [](const TensorRecord* t) { return std::pair(t->flat_begin, t->flat_end); });
  }
  return pieces;
}

CoverageReport check_parameter(const ParameterRecord& parameter, const std::string& label,
                               const std::vector<const TensorRecord*>& pieces) {
  int64_t reached = parameter.flat_begin;
  const TensorRecord* last = nullptr;
  for (const TensorRecord* piece : pieces) {
    if (last != nullptr && piece->flat_begin == last->flat_begin &&
        piece->flat_end == last->flat_end) {
      if (piece->hash != last->hash) {
        return {Coverage::replicas_differ, fmt::format("replicas of {} differ in [{}, {})", label,
                                                       piece->flat_begin, piece->flat_end)};
      }
      continue;
    }
    if (piece->flat_begin != reached) {
      return {Coverage::wrong,
              fmt::format("elements [{}, {}) of {} are {}", std::min(reached, piece->flat_begin),
                          std::max(reached, piece->flat_begin), label,
                          piece->flat_begin > reached ? "missing" : "stored twice")};
    }
    reached = piece->flat_end;
    last = piece;
  }
  if (reached != parameter.flat_end) {
    return {Coverage::wrong,
            fmt::format("elements [{}, {}) of {} are {}", std::min(reached, parameter.flat_end),
                        std::max(reached, parameter.flat_end), label,
                        reached < parameter.flat_end ? "missing" : "too many")};
  }
  return {};
}

}  // namespace

Result<Hash128> parse_hash128(std::string_view hex) {
  Hash128 hash;
  const auto word = [&](std::string_view digits, uint64_t& into) {
    for (const char c : digits) {
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return std::from_chars(digits.data(), digits.data() + digits.size(), into, 16).ec ==
           std::errc();
  };
  if (hex.size() != 32 || !word(hex.substr(0, 16), hash.high) || !word(hex.substr(16), hash.low)) {
    return corrupt_error("'" + printable(hex.substr(0, 40)) + "' is not a hash", "",
                         "32 lower-case hex digits");
  }
  return hash;
}

OptimName split_optim_name(std::string_view tensor) {
  for (const std::string_view kind : kKinds) {
    if (tensor.size() > kind.size() + 1 && tensor.starts_with(kind) && tensor[kind.size()] == '.')
      return {kind, tensor.substr(kind.size() + 1)};
  }
  return {};
}

const FileRecord* Manifest::find(std::string_view name) const {
  const auto it = std::ranges::find(files, name, &FileRecord::name);
  return it == files.end() ? nullptr : &*it;
}

int64_t Manifest::bytes() const {
  int64_t sum = 0;
  for (const FileRecord& file : files) sum += file.bytes;
  return sum;
}

std::string manifest_text(const Manifest& manifest) {
  Json json = manifest_json(manifest);
  json[kSelfKey] = self_hash(json);
  return to_json_text(json);
}

std::string file_record_text(const FileRecord& file) { return to_json_line(file_json(file)); }

Result<FileRecord> parse_file_record(std::string_view text, const std::string& where) {
  return parse_file(BALLAST_TRY(parse_json(text, where)), where);
}

Result<Manifest> parse_checkpoint_manifest(std::string_view text, const std::string& where) {
  Json json = BALLAST_TRY(parse_json(text, where));
  BALLAST_TRY(
      refuse_unknown_fields(json,
                            {"format", "version", "step", "tokens", "samples", "segment",
                             "model_dtype", "master", "files", "parameters", "run", kSelfKey},
                            where));
  if (BALLAST_TRY(string_member(json, "format", where)) != "ballast-checkpoint") {
    return corrupt_error("not a checkpoint manifest", where, "'format' is not ballast-checkpoint");
  }
  const int64_t version = BALLAST_TRY(count_field(json, "version", where));
  if (version != kManifestVersion) {
    return corrupt_error("'version' is " + std::to_string(version), where, "accepted: 1");
  }
  const std::string self = BALLAST_TRY(string_member(json, kSelfKey, where));
  json.erase(kSelfKey);
  if (self != self_hash(json)) {
    return corrupt_error("manifest is damaged", where, "its hash of itself does not fit");
  }
  Manifest manifest;
  manifest.step = BALLAST_TRY(count_field(json, "step", where));
  manifest.tokens = BALLAST_TRY(count_field(json, "tokens", where));
  manifest.samples = BALLAST_TRY(count_field(json, "samples", where));
  manifest.segment = BALLAST_TRY(count_field(json, "segment", where));
  manifest.model_dtype = BALLAST_TRY(string_member(json, "model_dtype", where));
  manifest.master = BALLAST_TRY(string_member(json, "master", where));
  if (manifest.model_dtype != "F32" && manifest.model_dtype != "BF16")
    return corrupt_error("'model_dtype' is neither F32 nor BF16", where);
  if (manifest.master != "optim" && (manifest.master != "model" || manifest.model_dtype != "F32"))
    return corrupt_error("'master' does not fit 'model_dtype'", where);
  BALLAST_TRY(parse_files(json, manifest, where));
  BALLAST_TRY(parse_parameters(json, manifest, where));
  manifest.run = BALLAST_TRY(object_field(json, "run", where));
  return manifest;
}

CoverageReport check_coverage(const Manifest& manifest) {
  const Pieces pieces = collect_pieces(manifest);
  std::vector<std::string> kinds = {"", "m", "v"};
  if (manifest.master == "optim") kinds.push_back("master");
  for (const std::string_view kind : kOptionalKinds)
    if (holds_state(manifest, kind)) kinds.emplace_back(kind);
  size_t used = 0;
  for (const ParameterRecord& parameter : manifest.parameters) {
    for (const std::string& kind : kinds) {
      const std::string label =
          kind.empty() ? printable(parameter.name) : kind + "." + printable(parameter.name);
      const auto found = pieces.find({kind, parameter.name});
      if (found == pieces.end()) return {Coverage::wrong, label + " is missing"};
      const CoverageReport report = check_parameter(parameter, label, found->second);
      if (report.verdict != Coverage::complete) return report;
      ++used;
    }
  }
  if (used != pieces.size()) return {Coverage::wrong, "a tensor belongs to no listed parameter"};
  return {};
}

bool holds_state(const Manifest& manifest, std::string_view kind) {
  for (const FileRecord& file : manifest.files) {
    if (!file.name.starts_with("optim-")) continue;
    for (const TensorRecord& tensor : file.tensors)
      if (split_optim_name(tensor.name).kind == kind) return true;
  }
  return false;
}

std::string step_directory_name(int64_t step) { return fmt::format("step-{:09}", step); }

int64_t step_of_directory(std::string_view name) {
  if (!name.starts_with("step-") || name.size() < 14 || name.size() > 23) return -1;
  int64_t step = -1;
  const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size()) return -1;
  return step >= 0 && step_directory_name(step) == name ? step : -1;
}

}  // namespace ballast
