// A file of a part, decoded, and checked against the part's record when it was read whole.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libcore/io/stream.h"
#include "libcore/parts/hashed_source.h"
#include "libcore/parts/parts_folder.h"

namespace ballast {

class PartFile {
 public:
  // Kind corrupt when the record does not list the file.
  static Result<PartFile> open(const PartsFolder& folder, const PartRecord& part,
                               const std::string& suffix);

  const std::string& name() const { return path_; }
  // Exactly `bytes` into `into`; false at the end. Kind corrupt when the file ends inside them.
  Result<bool> read(std::string& into, size_t bytes);
  // Pieces until the end.
  Result<void> read_all(const std::function<Result<void>(Bytes)>& visit);
  // At the end: is it the file that was written?
  Result<void> check();

 private:
  PartFile(std::string path, OutputFile said) : path_(std::move(path)), said_(std::move(said)) {}

  std::string path_;
  OutputFile said_;
  const HashedSource* raw_ = nullptr;  // owned by source_
  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace ballast
