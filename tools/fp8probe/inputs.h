// From what a user names to the tensors behind it: a safetensors file, a Hugging Face folder (one
// file, or shards by their index), a checkpoint directory or the address of one. Every header is
// checked before any tensor is looked at. Errors: kind corrupt for damaged or hostile files, kind
// io, kind usage.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/safetensors.h"

namespace ballast {

struct InputTensor {
  std::shared_ptr<const SafetensorsReader> file;
  const SafetensorsEntry* entry = nullptr;
  std::string name;  // of the parameter
  bool moment = false;
};

// `moments` adds the optimizer's m and v of checkpoints (their slices, as tensors of one
// dimension).
Result<std::vector<InputTensor>> open_inputs(FileSystem& fs,
                                             const std::vector<std::string>& operands,
                                             bool moments);

}  // namespace ballast
