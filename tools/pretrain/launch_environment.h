// What the launcher and its user told the libraries of this run: every variable that begins with
// NCCL_, CUDA_ or SLURM_, for the trace. Names that say they hold a secret stay out.
#pragma once

#include "libcore/io/json.h"

namespace ballast {

// Null when there is none.
Json launch_environment();

}  // namespace ballast
