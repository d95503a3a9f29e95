// Streams a shard out: tokens go to PREFIX.bin as they come, the index is written by finish(). Both
// are AtomicFiles, so nothing is visible before finish() and nothing is left after a failure.
// Memory: 4 bytes per document until then. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/base/result.h"
#include "libcore/io/atomic_file.h"
#include "libcore/shard/format.h"

namespace ballast {

// One written file, as the manifest lists it.
struct OutputFile {
  std::string path;
  int64_t bytes = 0;
  Hash128 hash;
};

class ShardWriter {
 public:
  // Ids must lie in [0, vocab_size); `force` allows replacing an existing shard.
  ShardWriter(FileSystem& fs, const std::string& prefix, int64_t vocab_size, bool force);

  // Kind usage when an id is outside the vocabulary or the document has more than 2^31-1 tokens.
  Result<void> append_document(std::span<const int32_t> tokens);

  TokenType type() const { return type_; }
  int64_t documents() const { return documents_; }
  int64_t tokens() const { return tokens_; }

  // Both files are written whole, but not yet visible; returns .bin and .idx in this order.
  Result<std::vector<OutputFile>> seal();
  Result<void> publish();
  // seal() and publish().
  Result<std::vector<OutputFile>> finish();

 private:
  Result<void> flush();
  Result<void> write_index(OutputFile& output);

  std::string prefix_;
  int64_t vocab_size_;
  TokenType type_;
  AtomicFile bin_;
  AtomicFile idx_;
  Xxh3Hasher hash_;
  std::string buffer_;
  std::vector<int32_t> lengths_;
  int64_t documents_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace ballast
