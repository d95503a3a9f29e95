// The main.log of llm.c (llmc/logger.h): "s:STEP trl:LOSS lr:RATE norm:NORM" for each step,
// "s:STEP tel:LOSS" for the held-out loss and "s:STEP eval:ACCURACY" for HellaSwag. Steps begin at
// 0. The file is appended to: a resumed run repeats steps without a mark. The norm is written
// before clipping with two decimals, which `norm_tick` tells.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// Usage error: a map or the name of a run, for which there is nothing in this format.
Result<std::unique_ptr<ForeignLog>> llmc_log(std::unique_ptr<ByteSource> source,
                                             const ImportOptions& options);
bool looks_like_llmc(std::string_view head);

}  // namespace ballast
