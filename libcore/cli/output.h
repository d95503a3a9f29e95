// Where print_out() goes: stdout, or the file of -o. Process-wide, as stdout is. Main thread only.
#pragma once

#include <string>

#include "libcore/base/result.h"

namespace ballast {

// From now on print_out() writes an AtomicFile at `path`.
void send_output_to(const std::string& path, bool force);
// Drops what was printed to -o after a failure: nothing half-written is published.
void abandon_output();

}  // namespace ballast
