// Step lines as our writer puts them, read in one sweep without building an index: about every line
// of a trace. Whatever looks different (spaces, escapes, other nesting, another order of "v" and
// "type") is left to the general parser.
#pragma once

#include <cstdint>
#include <string_view>

#include "libcore/trace/record.h"

namespace ballast {

// Whether the line begins like one, and so cannot be a record of another type.
bool is_step_line(std::string_view line);

// False: not such a line; `record` is then unspecified. `line` has TraceParser::kPadding readable
// bytes behind it.
bool parse_step_line(std::string_view line, uint64_t fields, StepRecord& record);

}  // namespace ballast
