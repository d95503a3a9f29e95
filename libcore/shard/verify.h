// Checks a shard against itself: layout, index against data, sidecar and manifest against both.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/file_list.h"

namespace ballast {

struct ShardVerdict {
  std::vector<std::string> damage;   // one line per finding, naming the file; empty: sound
  std::vector<std::string> missing;  // parts that are not there (sidecar, manifest): not damage
  int64_t documents = 0;
  int64_t tokens = 0;
};

// How the file `said` of the shard's manifest differs from it in size or, when `full`, in hash: a
// line that names it, or nothing.
Result<std::string> output_damage(FileSystem& fs, const std::string& prefix, const OutputFile& said,
                                  bool full, const GoOn& go_on = {});

// Kind corrupt when there is such a difference.
Result<void> refuse_damage(FileSystem& fs, const std::string& prefix, const OutputFile& said,
                           const GoOn& go_on = {});

// Sizes and indexes; with `full` also every hash of the manifest, every token id, and every line of
// the sidecar. Kind io when a file that is there cannot be read, or .bin or .idx is not there.
Result<ShardVerdict> verify_shard(FileSystem& fs, const std::string& prefix, bool full);

}  // namespace ballast
