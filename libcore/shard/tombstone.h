// What redaction leaves in a shard (ballast-shard(5)): tombstones, which are ranges of tokens that
// were overwritten by one id and from which nothing may be learnt, and a record of the last
// redaction in the manifest. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

struct Tombstone {
  int64_t begin = 0, end = 0;  // tokens of the shard, half open, not empty
  int32_t token = 0;           // that stands there now
  bool operator==(const Tombstone&) const = default;
};
using Tombstones = std::vector<Tombstone>;  // ascending, disjoint; neighbours of one id joined

// Puts a range that begins at or after the last one to the end.
void append_tombstone(Tombstones& tombstones, const Tombstone& range);

struct ShardRedaction {
  bool compact = false;         // the documents were removed; else overwritten
  bool forget = false;          // their addresses were removed from the sidecar
  std::string list_sha256;      // of the list that named them
  std::string manifest_sha256;  // of the manifest of the shard that this one was made from
  int64_t documents = 0;        // that went
  int64_t tokens = 0;           // of these documents
  Tombstones tombstones;        // of this redaction and those before
  bool operator==(const ShardRedaction&) const = default;
};

Json redaction_json(const ShardRedaction& redaction);
// Kind corrupt, naming `where`: tombstones that are out of order or end after `tokens` too.
Result<ShardRedaction> parse_redaction(const Json& json, int64_t tokens, const std::string& where);

}  // namespace ballast
