// Reading the files of a checkpoint while checking size and hashes: a second thread reads ahead, so
// that hashing costs nothing beside the disk. Errors: kind corrupt naming the file and the first
// damaged tensor, kind io.
#pragma once

#include <functional>
#include <string>

#include "libcore/checkpoint/manifest.h"
#include "libcore/io/file_system.h"

namespace ballast {

// Consecutive bytes of a tensor, from its byte `offset`.
using TensorSink = std::function<void(const TensorRecord& tensor, int64_t offset, Bytes data)>;

// Reads DIRECTORY/record.name whole. Tensors come in file order, in pieces that are multiples of 8
// bytes except the last of each tensor; `sink` may be empty. What the sink got is proven good only
// by success.
Result<void> read_tensor_file(FileSystem& fs, const std::string& directory,
                              const FileRecord& record, const TensorSink& sink);

// A file without tensors, whole.
Result<std::string> read_plain_file(FileSystem& fs, const std::string& directory,
                                    const FileRecord& record);

// Either kind, for its hashes only.
Result<void> check_file(FileSystem& fs, const std::string& directory, const FileRecord& record);

}  // namespace ballast
