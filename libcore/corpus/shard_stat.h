// What shards are made of: documents, tokens and bytes of text by language, licence and source as
// their manifests count them, documents by host as the sidecar does, lengths as the index does.
// Statistics of several shards add up. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "libcore/base/result.h"
#include "libcore/corpus/lengths.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/manifest.h"

namespace ballast {

struct ShardStat {
  int64_t shards = 0, documents = 0, tokens = 0;
  int64_t redacted_documents = 0, redacted_tokens = 0;  // overwritten, of those above
  std::optional<int64_t> bytes = 0;  // of all texts; absent when a shard does not say
  // "unknown" where the shard does not say; of what is redacted it says nothing
  ShardCounts languages, licenses, sources;
  std::map<std::string, int64_t> hosts;  // documents; "" without URL; of shards with sidecar
  LengthHistogram lengths;

  void add(const ShardStat& other);
};

// Kind corrupt when index, data, manifest and sidecar disagree. Memory: that of the sidecar's
// hosts.
Result<ShardStat> read_shard_stat(FileSystem& fs, const std::string& prefix);

// Tokens for each byte of text; none when the bytes are not known or there are none.
std::optional<double> tokens_per_byte(int64_t tokens, std::optional<int64_t> bytes);

}  // namespace ballast
