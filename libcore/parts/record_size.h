// How large the record of a part may be: readers take no larger one.
#pragma once

#include <cstdint>
#include <string>

#include "libcore/base/result.h"

namespace ballast {

inline constexpr int64_t kRecordLimit = int64_t{256} << 20;  // bytes

// Kind io, since what was to be kept cannot be.
Result<void> check_record_bytes(int64_t bytes, const std::string& where);

}  // namespace ballast
