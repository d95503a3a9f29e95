// What tells one shard from another of the same size at every start, in 4 MiB of reading: xxh3-128
// of the whole index, of 64 evenly spaced blocks of the tokens, and of the tombstones that the
// manifest names. A run's law keeps it. Damage elsewhere is for `tokshard verify`.
#pragma once

#include <string>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

// 32 hex digits.
Result<std::string> shard_sample_hash(FileSystem& fs, const std::string& prefix);

}  // namespace ballast
