// Makes one shard of several, or a set: their documents one after the other, with their sidecar
// lines and tombstones. Streams: one of the shards is open at a time. Errors: usage, io, corrupt.
// One thread.
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
  bool force = false;                        // what is at the target goes, see set_builder.h
  std::optional<int64_t> shard_tokens = {};  // a set of shards of at most so many, set_builder.h
};

// The manifest of the whole but for what its documents tell. Kind usage when tokenizer, vocabulary,
// beginning or end token differ, or held-out documents would be mixed with others.
Result<ShardManifest> joined_manifest(FileSystem& fs, std::span<const std::string> prefixes,
                                      const MergeOptions& options);

// The token type follows from the vocabulary, whatever those of the shards are. What was made, in
// order, without token counts and inputs. Kind usage before anything is read of the documents or
// written when the shards do not fit together, when the target is there (unless `force`), or when
// what would be replaced or removed there is one of the shards that are merged.
Result<std::vector<ShardManifest>> merge_shards(FileSystem& fs,
                                                std::span<const std::string> prefixes,
                                                const std::string& target,
                                                const MergeOptions& options);

}  // namespace ballast
