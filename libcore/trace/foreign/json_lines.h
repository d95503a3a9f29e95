// JSON Lines that a trainer wrote: one object a line, flat or nested. Nested keys are joined, and
// "train/loss" and "train.loss" name the same; numbers may be the words NaN and Infinity, bare or
// quoted. Of several keys for the step the best one that the first lines have is the step of all
// lines: a line without it has another scale and is passed over. Arrays are left out. Lines below
// each other with the same step become one record as long as they do not contradict each other.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// Looks at the beginning. Usage error: no key for the step, or a map that means nothing; from
// next(): two keys of a line that are equally good, at the end a mapped key that never came.
Result<std::unique_ptr<ForeignLog>> json_lines_log(std::unique_ptr<ByteSource> source,
                                                   const ImportOptions& options);
bool looks_like_json_lines(std::string_view head);

}  // namespace ballast
