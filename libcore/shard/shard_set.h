// Several shards under one name. A set PREFIX is PREFIX-00000, PREFIX-00001, ...; its first shard
// appears last, so a set whose first shard has a manifest is whole.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

std::string shard_set_member(const std::string& prefix, int64_t number);  // PREFIX-00007

// Numbers of the members of set `prefix` of which any file is there, ascending.
Result<std::vector<int64_t>> shard_set_numbers(FileSystem& fs, const std::string& prefix);

// The shards that a word of the command line names: PREFIX, PREFIX.idx or PREFIX.bin itself, the
// members of the set PREFIX in order, or all shards in a folder by name. Kind usage when the folder
// has none, corrupt when members of the set are missing. A word that names nothing stands for
// itself.
Result<std::vector<std::string>> shard_prefixes(FileSystem& fs, const std::string& word);
Result<std::vector<std::string>> shard_prefixes(FileSystem& fs,
                                                const std::vector<std::string>& words);

struct TrainingShards {
  std::vector<std::string> prefixes;
  std::vector<std::string> held_out;  // of a folder, left out
};

// shard_prefixes() of a word to train on. A folder stands for its shards that are not held out by
// their manifests, kind usage when there is none; what a prefix names is taken as it is.
Result<TrainingShards> training_shards(FileSystem& fs, const std::string& word);

struct ValidationShards {
  std::vector<std::string> prefixes;
  std::vector<std::string> trained;  // of a folder, left out
};

// shard_prefixes() of a word to evaluate on. A folder in which shards are held out by their
// manifests stands for these, another one for all of its shards.
Result<ValidationShards> validation_shards(FileSystem& fs, const std::string& word);

}  // namespace ballast
