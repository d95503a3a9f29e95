// The records that are few: run, event, eval, and whatever this version does not know. Parsed
// strictly (duplicate keys are refused); keys without a member go to `details`.
#pragma once

#include <string_view>

#include "libcore/base/result.h"
#include "libcore/trace/parser.h"

namespace ballast {

Result<void> record_from_json(std::string_view line, TraceRecord& record);

}  // namespace ballast
