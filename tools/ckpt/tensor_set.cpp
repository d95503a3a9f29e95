#include "tools/ckpt/tensor_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/checkpoint/address.h"
#include "libcore/io/utf8.h"
#include "libcore/precision/half.h"

namespace ballast {
namespace {

template <class Stored, class Convert>
void widen(const std::vector<std::byte>& bytes, float* into, Convert convert) {
  for (size_t i = 0; i < bytes.size() / sizeof(Stored); ++i)
    into[i] = convert(load_le<Stored>(bytes.data() + i * sizeof(Stored)));
}

Result<void> to_floats(const std::string& dtype, const std::vector<std::byte>& bytes, float* into,
                       const std::string& name) {
  if (dtype == "F32") {
    widen<float>(bytes, into, [](float value) { return value; });
  } else if (dtype == "BF16") {
    widen<uint16_t>(bytes, into, bf16_to_float);
  } else if (dtype == "F16") {
    widen<uint16_t>(bytes, into, f16_to_float);
  } else if (dtype == "F64") {
    widen<double>(bytes, into, [](double value) { return static_cast<float>(value); });
  } else {
    return usage_error("cannot compare values of type " + dtype, printable(name),
                       "accepted: F64, F32, F16, BF16");
  }
  return {};
}

}  // namespace

Result<void> TensorSet::add_file(FileSystem& fs, const std::string& path) {
  files_.push_back(BALLAST_TRY(SafetensorsReader::open(fs, path)));
  for (const SafetensorsEntry& entry : files_.back().entries()) {
    Entry& added = entries_[entry.name];
    if (!added.pieces.empty())
      return corrupt_error("tensor is in two files", path + ": " + printable(entry.name));
    added.shape = entry.shape;
    added.elements = entry.elements();
    added.pieces.push_back({files_.size() - 1, entry, 0});
  }
  return {};
}

Result<void> TensorSet::add_checkpoint(FileSystem& fs, const std::string& path) {
  const Manifest manifest = BALLAST_TRY(check_complete(fs, path));
  const CoverageReport coverage = check_coverage(manifest);
  if (coverage.verdict != Coverage::complete)
    return corrupt_error("checkpoint does not hold the whole state", path, coverage.why);
  is_checkpoint_ = true;
  std::map<std::string, const ParameterRecord*> parameters;
  for (const ParameterRecord& parameter : manifest.parameters)
    parameters[parameter.name] = &parameter;
  for (const FileRecord& file : manifest.files) {
    if (file.tensors.empty()) continue;
    files_.push_back(BALLAST_TRY(SafetensorsReader::open(fs, join_path(path, file.name))));
    for (const TensorRecord& tensor : file.tensors) {
      const bool optim = file.name.starts_with("optim-");
      const std::string name(optim ? split_optim_name(tensor.name).parameter : tensor.name);
      const ParameterRecord& parameter = *parameters.at(name);
      const SafetensorsEntry* found = files_.back().find(tensor.name);
      if (found == nullptr || found->elements() != tensor.flat_end - tensor.flat_begin)
        return corrupt_error("header disagrees with the manifest", join_path(path, file.name));
      Entry& entry = entries_[tensor.name];
      entry.elements = parameter.flat_end - parameter.flat_begin;
      entry.shape = optim ? std::vector<int64_t>{entry.elements} : parameter.shape;
      entry.pieces.push_back({files_.size() - 1, *found, tensor.flat_begin - parameter.flat_begin});
    }
  }
  return {};
}

Result<TensorSet> TensorSet::open(FileSystem& fs, const std::string& path) {
  TensorSet set;
  const FileInfo info = BALLAST_TRY(fs.info(path));
  if (!info.is_directory) {
    BALLAST_TRY(set.add_file(fs, path));
  } else if (fs.exists(join_path(path, kManifestName))) {
    BALLAST_TRY(set.add_checkpoint(fs, path));
  } else {
    for (const std::string& name : BALLAST_TRY(fs.list(path))) {
      if (name.ends_with(".safetensors")) BALLAST_TRY(set.add_file(fs, join_path(path, name)));
    }
    if (set.files_.empty()) return io_error("no checkpoint and no safetensors file", path);
  }
  return set;
}

Result<std::vector<float>> TensorSet::read(const std::string& name) const {
  const Entry& entry = entries_.at(name);
  std::vector<float> values(static_cast<size_t>(entry.elements));
  std::vector<std::byte> bytes;
  for (const Piece& piece : entry.pieces) {
    bytes.resize(static_cast<size_t>(piece.entry.bytes()));
    BALLAST_TRY(files_[piece.file].read(piece.entry, 0, bytes));
    BALLAST_TRY(to_floats(piece.entry.dtype, bytes, values.data() + piece.begin, name));
  }
  return values;
}

}  // namespace ballast
