// The part of what may be known of another trainer's log that says how to read it (--on-error,
// --log-format, --map, --run-name, --tokens-per-step), for verbs whose windows do not count steps
// and whose own --norm is another thing. The rest stands in trace_input.h.
#pragma once

#include "tools/gradstat/trace_input.h"

namespace ballast {

void add_log_content_options(CLI::App& app, TraceInput& input);

}  // namespace ballast
