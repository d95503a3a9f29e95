// Options of verbs that turn documents into shards.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "libcore/cli/tool.h"
#include "libcore/shard/manifest.h"
#include "libcore/text/tokenizer.h"
#include "tools/tokshard/encode_job.h"

namespace ballast {

struct EncodeFlags {
  std::string tokenizer, holdout = "0", bos = "auto", eos = "auto";
  std::string special = "escape", order = "shuffle";
  int64_t shard_tokens = 0;  // 0: one shard
};

// --shard-tokens of every verb that makes a shard or a set of shards.
void add_shard_tokens(CLI::App& app, int64_t& shard_tokens);
// Of tokens per shard, if there is one.
std::optional<int64_t> shard_limit(int64_t shard_tokens);

// `flags` must outlive the parsing.
void add_encode_flags(CLI::App& app, EncodeFlags& flags);

// "1%" or "0.01" of --holdout, below 1.
Result<double> parse_holdout(const EncodeFlags& flags);

struct OpenedEncoding {
  std::unique_ptr<Tokenizer> tokenizer;
  EncodeRule rule;         // points to it
  ShardManifest manifest;  // what documents and inputs do not tell
};
Result<OpenedEncoding> open_encoding(const EncodeFlags& flags, const CommonOptions& common);

// What a plan of parts says, and merge_encoded_parts() reads: {"order","manifest"} and,
// with a limit, "shard_tokens".
void plan_encoding(const EncodeFlags& flags, const ShardManifest& manifest, Json& options);

}  // namespace ballast
