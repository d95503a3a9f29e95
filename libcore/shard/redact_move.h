// The last act of a redaction (redact_set.h): its files go from FOLDER/redact.unfinished into the
// folder, where no reader may meet a shard without its manifest, which is what keeps tombstones
// from being learnt, or a part of a set. The index of a shard is the first to go and the last to
// come, and without it nothing opens a shard. One thread.
#pragma once

#include <string>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/receipt.h"

namespace ballast {

inline constexpr const char* kUnfinishedRedaction = "redact.unfinished";

// Kind corrupt while shards are moved into the folder of `prefix`, or when that was broken off: a
// folder of which some shards have their index yet must not pass for all of them.
Result<void> refuse_half_moved(FileSystem& fs, const std::string& prefix);

// May be repeated after a death anywhere; the receipt stays in redact.unfinished until the end. The
// receipt that it replaces, if any, names shards: those that this redaction has not are removed,
// unless they have another manifest by now.
Result<void> move_redaction(FileSystem& fs, const std::string& folder, const Receipt& receipt);

}  // namespace ballast
