// PREFIX.manifest.json (ballast-shard(5)): what a shard is made of and how to check it. Written
// last, so a shard with a manifest is complete. Everything outside `run` is a function of inputs,
// options and version; `run` holds time, host and command line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/shard/file_list.h"
#include "libcore/shard/format.h"
#include "libcore/shard/tombstone.h"
#include "libcore/shard/writer.h"

namespace ballast {

// Bounds the counts by id, which are kept in memory; tokenizers have fewer ids.
inline constexpr int64_t kMaxShardVocab = int64_t{1} << 24;

struct ShardCount {
  int64_t documents = 0;
  int64_t tokens = 0;
  std::optional<int64_t> bytes = 0;  // of their texts; absent when one of them does not say
};
using ShardCounts = std::map<std::string, ShardCount>;

// A shard that this one was made from, by merge or split.
struct ShardOrigin {
  std::string shard;            // last part of its prefix
  std::string manifest_sha256;  // of its manifest
  int64_t documents = 0;        // that came from it
  int64_t tokens = 0;
  std::optional<ShardRedaction> redaction;  // its record, without the tombstones
};

struct ShardManifest {
  std::string tool;              // "tokshard 0.1.0"
  std::string tokenizer_sha256;  // of the tokenizer.json
  int64_t vocab_size = 0;
  std::optional<int32_t> bos, eos;  // what every document begins and ends with
  TokenType type = TokenType::u16;
  int64_t documents = 0;
  int64_t tokens = 0;
  int64_t seed = 0;
  std::string part;                          // "all", "train" or "holdout"
  double holdout = 0;                        // fraction of the documents
  int64_t skipped = 0;                       // malformed lines left out
  int64_t empty = 0;                         // documents without text left out
  int64_t replaced = 0;                      // ill-formed UTF-8 sequences replaced by U+FFFD
  std::vector<OutputFile> inputs;            // as read, before decompression
  std::vector<OutputFile> outputs;           // names relative to the manifest's folder
  ShardCounts languages, licenses, sources;  // "unknown" for documents that do not say
  std::map<std::string, int64_t> filters;    // documents that passed each
  std::vector<int64_t> token_counts;         // by id, vocab_size entries
  std::optional<ShardRedaction> redaction;   // the last one, if there was one
  std::vector<ShardOrigin> made_from;        // in the order of their documents
  Json run = Json::object();
};

Json manifest_json(const ShardManifest& manifest);
std::string manifest_text(const ShardManifest& manifest);  // the file's bytes
Result<ShardManifest> parse_manifest(std::string_view text, const std::string& where);
Result<ShardManifest> read_manifest(FileSystem& fs, const std::string& prefix);
// None when the shard has no manifest.
Result<Tombstones> read_tombstones(FileSystem& fs, const std::string& prefix);
Result<void> write_manifest(FileSystem& fs, const std::string& prefix,
                            const ShardManifest& manifest, bool force);

}  // namespace ballast
