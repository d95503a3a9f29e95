// Which share of a job this process does: --task I/N, or auto.
#pragma once

#include <functional>
#include <string>

#include "libcore/base/result.h"
#include "libcore/parts/share.h"

namespace ballast {

// "I/N" with 0 <= I < N; "auto": from the environment of a Slurm array, of srun, or of an MPI
// launcher, the ranks of a job step within each task of an array. Empty: the only task. `variable`
// looks up the environment; empty is unset.
Result<Share> parse_task(const std::string& text,
                         const std::function<std::string(const char*)>& variable);
Result<Share> parse_task(const std::string& text);  // in this process's environment

}  // namespace ballast
