// Cuts a finished shard into several: its documents in order, with their sidecar lines and
// tombstones, into pieces of a size or by a key of the sidecar. Streams: one pass over the tokens.
// Errors: kind usage before anything is written, io, corrupt. One thread.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/manifest.h"

namespace ballast {

enum class SplitKey { language, source, license, host };

struct SplitOptions {
  // One of the three.
  std::optional<int64_t> shard_tokens;  // a set of shards of at most so many, see set_builder.h
  std::optional<int64_t> parts;         // a set of so many shards of about the same size
  std::optional<SplitKey> by;           // a shard per value, PREFIX-VALUE
  int64_t max_values = 256;             // two files of each are open
  std::string tool;
  Json run = Json::object();  // for the manifests
  bool force = false;         // replace what is there
};

struct SplitPiece {
  std::string prefix;
  ShardManifest manifest;  // without token counts
};

// Kind usage when there are more parts than documents, or more values than `max_values`, or when a
// shard that would be replaced or removed is the one that is split.
Result<std::vector<SplitPiece>> split_shard(FileSystem& fs, const std::string& prefix,
                                            const std::string& target, const SplitOptions& options);

// A value as part of a file name: what is no letter, digit, '.', '_' or '-' is %XX; "unknown" when
// empty.
std::string split_name(const std::string& value);

}  // namespace ballast
