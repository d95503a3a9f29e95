// A shard as a file of token ids that other trainers read, see token_file.h: what adopt reads back
// is the same shard. The files are published together, the one with the ids last. Errors: kind
// usage before anything is written when the format cannot hold the shard; io, corrupt. One thread.
#pragma once

#include <string>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/token_file.h"

namespace ballast {

struct TokenFileTarget {
  std::string path;
  TokenFileFormat format = TokenFileFormat::datatrove;
  std::optional<int64_t> width;  // absent: 2 up to a vocabulary of 65,536, else 4
  std::string tokenizer_name;    // for datatrove's metadata; empty: that of the manifest, if known
  bool force = false;
};

struct ExportedTokens {
  int64_t documents = 0, tokens = 0, width = 2;
  std::vector<std::string> files;
};

// The paths that it will write.
std::vector<std::string> token_file_paths(const TokenFileTarget& target);

Result<ExportedTokens> export_tokens(FileSystem& fs, const std::string& prefix,
                                     const TokenFileTarget& target);

}  // namespace ballast
