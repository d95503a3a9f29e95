// The tensors of a checkpoint, of a folder with safetensors files, or of one such file, as floats
// whatever their type and however they are cut into files. Threads: any number may read. Errors:
// kind io, corrupt.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/io/safetensors.h"

namespace ballast {

class TensorSet {
 public:
  struct Piece {
    size_t file = 0;
    SafetensorsEntry entry;
    int64_t begin = 0;  // first element of it in the tensor
  };
  struct Entry {
    std::vector<int64_t> shape;  // as stored; {elements} for moments
    int64_t elements = 0;
    std::vector<Piece> pieces;  // ascending, without gaps
  };

  // `path` is a checkpoint directory, a folder or a file. Of a checkpoint the names are those of
  // the parameters and, for moments and separate masters, KIND.PARAMETER.
  static Result<TensorSet> open(FileSystem& fs, const std::string& path);

  bool is_checkpoint() const { return is_checkpoint_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  // The whole tensor; kind usage for types that are not floating point of 16 to 64 bits.
  Result<std::vector<float>> read(const std::string& name) const;

 private:
  Result<void> add_file(FileSystem& fs, const std::string& path);
  Result<void> add_checkpoint(FileSystem& fs, const std::string& path);
  std::vector<SafetensorsReader> files_;
  std::map<std::string, Entry> entries_;
  bool is_checkpoint_ = false;
};

}  // namespace ballast
