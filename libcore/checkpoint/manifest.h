// manifest.json of a checkpoint (ballast-checkpoint(5)): size and xxh3-128 of every other file and
// of every tensor, and where each parameter lies in the flat index. It is written last, so its
// presence means that a checkpoint is complete; its last key is the hash of all that stands before
// it. Pure; errors are kind corrupt with the key. File names are checked to be plain names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

inline constexpr const char* kManifestName = "manifest.json";
inline constexpr int64_t kManifestVersion = 1;

// A tensor of a safetensors file. In model files the name is the parameter's; in optim files it is
// KIND.PARAMETER with KIND one of master, m, v, m2, swa, ema, and the tensor is one-dimensional.
struct TensorRecord {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  int64_t begin = 0;  // bytes of the data section, half open
  int64_t end = 0;
  int64_t flat_begin = 0;  // elements of the logical flat index, half open
  int64_t flat_end = 0;
  Hash128 hash;
  bool operator==(const TensorRecord&) const = default;
};

struct FileRecord {
  std::string name;
  int64_t bytes = 0;
  Hash128 hash;
  std::vector<TensorRecord> tensors;  // in file order; empty for other files
  bool operator==(const FileRecord&) const = default;
};

struct ParameterRecord {
  std::string name;
  std::vector<int64_t> shape;
  int64_t flat_begin = 0;
  int64_t flat_end = 0;
  bool operator==(const ParameterRecord&) const = default;
};

struct Manifest {
  int64_t step = 0;
  int64_t tokens = 0;
  int64_t samples = 0;
  int64_t segment = 0;
  std::string model_dtype = "F32";  // of the model files: F32 or BF16
  // Where the f32 master weights are: "model" when the model files are f32 themselves (nothing is
  // stored twice), else "optim".
  std::string master = "model";
  std::vector<FileRecord> files;
  std::vector<ParameterRecord> parameters;
  Json run = Json::object();  // volatile facts: time, host, version
  const FileRecord* find(std::string_view name) const;
  int64_t bytes() const;  // of all files, without the manifest
  bool operator==(const Manifest&) const = default;
};

std::string manifest_text(const Manifest& manifest);
// One entry of `files`, as ranks that write a checkpoint together tell each other.
std::string file_record_text(const FileRecord& file);
Result<FileRecord> parse_file_record(std::string_view text, const std::string& where);
Result<Manifest> parse_checkpoint_manifest(std::string_view text, const std::string& where);

// Does what is listed hold every element of every parameter once, for the weights and each kind of
// optimizer state? Two pieces with the same range are replicas, and must have the same hash.
enum class Coverage { complete, replicas_differ, wrong };
struct CoverageReport {
  Coverage verdict = Coverage::complete;
  std::string why;  // one line unless complete
};
CoverageReport check_coverage(const Manifest& manifest);

Result<Hash128> parse_hash128(std::string_view hex);

// Kind and parameter of a tensor of an optim file; kind "" when the name has no known one.
struct OptimName {
  std::string_view kind, parameter;
};
OptimName split_optim_name(std::string_view tensor);

// Does an optim file hold tensors of that kind? m2, swa and ema are there in some runs only.
bool holds_state(const Manifest& manifest, std::string_view kind);

// "step-000001234" <-> 1234; -1 for any other name.
std::string step_directory_name(int64_t step);
int64_t step_of_directory(std::string_view name);

}  // namespace ballast
