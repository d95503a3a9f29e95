// The parts of resolve() that concern how a run optimises and where it begins: optimizer, schedule,
// clipper, averages, Goldfish, data phases, and the branch of another run. They fill `config`, in
// the order below. Errors: kind usage naming the flag; io and corrupt from files.
#pragma once

#include "tools/pretrain/run_config.h"

namespace ballast {

Result<void> resolve_branch(FileSystem& fs, const TrainOptions& options, RunConfig& config);
// The length of the run with --cooldown: that much after the branch.
Result<void> resolve_cooldown_length(const TrainOptions& options, RunConfig& config);
// --phase and --max-epochs; sources and batches are known.
Result<void> resolve_phases(const TrainOptions& options, RunConfig& config);
Result<void> resolve_methods(FileSystem& fs, const TrainOptions& options, RunConfig& config);

}  // namespace ballast
