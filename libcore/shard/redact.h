// Takes documents out of a finished shard: a new shard beside the old one, in which they are
// overwritten by tombstones (the layout, the index and the order of training data stay) or missing,
// and the receipt that proves it from the files as they lie on the disk. The old shard is only
// read. Several shards with their receipt: redact_set.h. Errors: kind usage before anything is
// written, io, corrupt. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/shard/file_list.h"
#include "libcore/shard/receipt.h"

namespace ballast {

struct RedactOptions {
  bool compact = false;          // remove; else overwrite
  bool forget = false;           // with tombstones: drop id, URL and host from the sidecar too
  std::optional<int32_t> token;  // of tombstones; absent: the shard's end token, else its beginning
  std::string list_sha256;
  int64_t list_bytes = 0;
  std::string tool;
  Json run = Json::object();  // for the manifest
  bool force = false;         // replace a shard at the target
  int64_t max_receipt_bytes = kMaxReceiptBytes;
  // Asked often, after some MiB of reading at most or a document, and last before anything is
  // shown.
  GoOn go_on = [] { return Result<void>(); };
};

// The id that tombstones of this shard are made of; kind usage when it has none, or it is outside
// the vocabulary.
Result<int32_t> tombstone_token(FileSystem& fs, const std::string& prefix,
                                const RedactOptions& options);

// Has `target` been made from `prefix` with these options already, and are its files there?
Result<bool> is_redacted(FileSystem& fs, const std::string& prefix, const std::string& target,
                         const RedactOptions& options);

// `documents`: numbers in the shard, ascending. Those that are tombstones already are removed, or
// overwritten again. The manifest comes last: a shard at `target` that has one is whole.
Result<void> redact_shard(FileSystem& fs, const std::string& prefix, const std::string& target,
                          std::span<const int64_t> documents, const RedactOptions& options);

// Reads both shards, and refuses (corrupt) when a kept byte differs or a tombstone holds anything
// else than its token; without documents, when any byte of any file differs.
Result<ReceiptShard> make_receipt(FileSystem& fs, const std::string& prefix,
                                  const std::string& target, std::span<const int64_t> documents,
                                  const RedactOptions& options);

}  // namespace ballast
