// What the verbs that make shards from shards say and refuse alike.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/cli/tool.h"
#include "libcore/shard/manifest.h"

namespace ballast {

// Kind usage when -o is no prefix, a file of `targets` is there (unless -f), or is one of the files
// of the shards that are read.
Result<void> check_shard_output(const CommonOptions& common,
                                const std::vector<std::string>& prefixes,
                                const std::vector<std::string>& targets);

// Existing shards that a set at `output` replaces or removes: its members, and one of its name.
Result<std::vector<std::string>> replaced_by_set(const std::string& output);

// A line on standard error, and with --json a record.
void report_shard(const CommonOptions& common, const std::string& prefix,
                  const ShardManifest& made);

}  // namespace ballast
