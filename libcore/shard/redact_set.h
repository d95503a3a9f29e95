// Redacts shards together, all or none: they are made in FOLDER/redact.unfinished, with their
// receipt, and moved into the folder when all are there, the receipt last. A failure before that
// leaves the folder as it was. After a death, or a failure of the moving, the next call with the
// same shards, documents and options goes on: with what is whole in redact.unfinished, or with
// moving; until then nothing in the folder opens that is not whole. With options.force a redaction
// of which the moving was broken off is moved first, and then replaced, shards that the new one has
// not included. Nobody else may redact into the folder meanwhile. One thread.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/receipt.h"
#include "libcore/shard/redact.h"
#include "libcore/shard/redact_move.h"

namespace ballast {

struct RedactJob {
  std::string prefix;  // its last part is the name of the new shard
  // That go, as redact_shard() takes them. None: the new shard is the old one, under a second name
  // where the file system has them (hard links), else copied.
  std::vector<int64_t> documents;
};

// Told of each shard as it is made; `again`: it was there from an earlier call.
using RedactReport =
    std::function<void(const RedactJob& job, const ReceiptShard& shard, bool again)>;

// The receipt in the folder when this has been done: it is of these jobs and options, and the files
// of all shards are there. Kind usage when it is of another redaction, unless options.force.
Result<std::optional<Receipt>> redaction_in(FileSystem& fs, const std::string& folder,
                                            std::span<const RedactJob> jobs,
                                            const RedactOptions& options);

// What redact_set() refuses before anything is written, kind usage: when an output exists or
// another redaction was not finished, unless options.force, and when the receipt would be too large
// to be read again.
Result<void> check_redaction(FileSystem& fs, const std::string& folder,
                             std::span<const RedactJob> jobs, const RedactOptions& options);

Result<Receipt> redact_set(FileSystem& fs, const std::string& folder,
                           std::span<const RedactJob> jobs, const RedactOptions& options,
                           const RedactReport& report);

}  // namespace ballast
