// What the verbs that make shards from shards say and refuse alike.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/cli/tool.h"
#include "libcore/shard/manifest.h"

namespace ballast {

// Kind usage when -o is no prefix of a shard, io when its folder is not there.
Result<void> check_shard_prefix(const CommonOptions& common);

// Manifests name the files of their shard, in JSON.
Result<void> check_shard_name(const std::string& prefix);

// What can be seen of a shard that others are to be made of without reading all of it, for -n.
Result<void> look_at_whole(FileSystem& fs, const std::string& prefix);

// A line on standard error, and with --json a record.
void report_shard(const CommonOptions& common, const std::string& prefix,
                  const ShardManifest& made);

}  // namespace ballast
