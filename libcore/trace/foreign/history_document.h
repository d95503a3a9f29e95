// A history dump that is one JSON document: rows in an array, or arrays of columns. See
// wandb_history.h for the shapes. One thread.
#pragma once

#include "libcore/io/stream.h"
#include "libcore/trace/foreign/rows.h"

namespace ballast {

constexpr int64_t kLongestHistoryDocument = int64_t{1} << 30;

// Hands the whole document to `rows`. What can be read of a damaged one is; kind corrupt when it is
// too long.
Result<void> read_history_document(ByteSource& source, Rows& rows, ForeignNotes& notes);

}  // namespace ballast
