// Several shards under one name. A set PREFIX is PREFIX-00000, PREFIX-00001, ... up to the first
// number that is not there; its first shard appears last, so a set whose first shard has a manifest
// is whole. A number has five digits, and more only behind 99999: PREFIX-20231101 is a shard of its
// own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

std::string shard_set_member(const std::string& prefix, int64_t number);  // PREFIX-00007

// Of which shards named as those of set `prefix` any file is there.
struct ShardSetNumbers {
  int64_t first = 0;           // 1 when number 0 is not there but number 1 is: not finished
  int64_t end = 0;             // of the set are `first` to end - 1
  std::vector<int64_t> apart;  // behind a gap, ascending: of another set, or of a damaged one
};
Result<ShardSetNumbers> shard_set_numbers(FileSystem& fs, const std::string& prefix);
// Is `path` a file of a shard that set `prefix` has or may get?
bool names_member_file(FileSystem& fs, const std::string& prefix, const std::string& path);

// The shards that a word of the command line names: PREFIX, PREFIX.idx or PREFIX.bin itself, the
// members of the set PREFIX in order, or all shards in a folder by name. Kind usage when the folder
// has none, corrupt when shards are there behind a gap. A word that names nothing stands for
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
