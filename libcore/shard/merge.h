// Makes one shard of several, or a set: their documents one after the other, with their sidecar
// lines and tombstones. Streams: one of the shards is open at a time. Errors: kind usage before
// anything is written when they do not fit together, io, corrupt. One thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/manifest.h"

namespace ballast {

struct MergeOptions {
  std::string tool;
  Json run = Json::object();                 // for the manifest
  bool force = false;                        // replace a shard or set at the target
  std::optional<int64_t> shard_tokens = {};  // a set of shards of at most so many, set_builder.h
};

// The manifest of the whole but for what its documents tell. Kind usage when tokenizer, vocabulary,
// beginning or end token differ, or held-out documents would be mixed with others.
Result<ShardManifest> joined_manifest(FileSystem& fs, std::span<const std::string> prefixes,
                                      const MergeOptions& options);

// The token type follows from the vocabulary, whatever those of the shards are. What was made, in
// order, without token counts. Of a set, kind usage when a shard that would be replaced or removed
// is one of those that are merged.
Result<std::vector<ShardManifest>> merge_shards(FileSystem& fs,
                                                std::span<const std::string> prefixes,
                                                const std::string& target,
                                                const MergeOptions& options);

}  // namespace ballast
