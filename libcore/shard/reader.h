// Reads a shard (ballast-shard(5)) as one stream of tokens with document borders. open() checks the
// index completely: magic, version, token type, counts against the size of .idx, lengths against
// offsets, and the whole against the size of .bin; what it refuses is kind corrupt. Memory: 8 bytes
// per document. After open() all methods are const; several threads may call them when the file
// system allows concurrent read_at (the posix one does).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/format.h"
#include "libcore/shard/tombstone.h"

namespace ballast {

class ShardReader {
 public:
  static Result<ShardReader> open(FileSystem& fs, const std::string& prefix);
  // With the tombstones that the manifest, if there is one, names: nothing is learnt from them.
  static Result<ShardReader> open_to_learn(FileSystem& fs, const std::string& prefix);

  const std::string& prefix() const { return prefix_; }
  TokenType type() const { return header_.type; }
  int64_t documents() const { return header_.documents; }
  int64_t total_tokens() const { return begins_.back(); }

  // First token of document `document`, counted over the whole shard; document_begin(documents())
  // is total_tokens(). Documents may be empty.
  int64_t document_begin(int64_t document) const { return begins_[static_cast<size_t>(document)]; }
  int64_t document_length(int64_t document) const {
    return document_begin(document + 1) - document_begin(document);
  }
  // The document that holds token `token`, 0 <= token < total_tokens(). O(log documents).
  int64_t document_of(int64_t token) const;
  // Position of the first token of the document that holds `token`.
  int64_t document_start(int64_t token) const { return document_begin(document_of(token)); }

  const Tombstones& tombstones() const { return tombstones_; }

  // out.size() tokens from `first_token` on, across document borders. Kind usage when the range
  // leaves the shard; kind corrupt when an id is negative.
  Result<void> read_tokens(int64_t first_token, std::span<int32_t> out) const;

 private:
  ShardReader() = default;
  Result<void> read_index(ReadableFile& index, const std::string& where);

  std::string prefix_;
  ShardHeader header_;
  std::shared_ptr<ReadableFile> bin_;
  std::vector<int64_t> begins_;  // documents + 1 entries
  Tombstones tombstones_;
};

}  // namespace ballast
