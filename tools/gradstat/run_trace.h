// A trace as rows of a RunTable: its evaluations, and its end.
#pragma once

#include "libcore/model/config.h"
#include "tools/gradstat/run_table.h"

namespace ballast {

ModelShape shape_of(const ModelConfig& config, double seq_len);

// Adds the rows of one trace, or says in left_out why it has none.
Result<void> read_run_trace(const std::string& path, const RunTableOptions& options,
                            RunTable& table);

}  // namespace ballast
