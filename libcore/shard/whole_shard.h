// A finished shard with all its parts, as the verbs that make other shards from it read it. Memory:
// that of its index and its sidecar's index, and one document. One thread.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sidecar.h"

namespace ballast {

struct WholeShard {
  ShardManifest manifest;
  std::string manifest_sha256;
  ShardReader reader;
  SidecarReader sidecar;

  // Kind io when there is no shard, usage when a part is missing; corrupt when the files are not
  // what the manifest says, hashes included: a shard made from damage would call it sound.
  static Result<WholeShard> open(FileSystem& fs, const std::string& prefix);

  // As another shard's manifest lists it.
  ShardOrigin origin() const;
};

// The manifest, for kind usage when there is none, io when there is no shard.
Result<ShardManifest> manifest_of_whole(FileSystem& fs, const std::string& prefix);

struct DocumentView {
  int64_t number = 0;  // in the shard
  std::span<const int32_t> tokens;
  std::span<const Tombstone> tombstones;  // in tokens of the document
};
using DocumentVisit = std::function<Result<void>(ShardDocument document, const DocumentView& view)>;

// All documents in order; stops at the first error of the visitor.
Result<void> visit_documents(WholeShard& shard, const DocumentVisit& visit);

}  // namespace ballast
