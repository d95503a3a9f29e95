// Taking a source out of the data order from a sample on. The past stays as it was: a phase is
// appended, and phases that begin later lose the source too. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/data/order.h"

namespace ballast {

// `phases` ascend from sample 0. Kind usage when a phase would be left without any source.
Result<std::vector<DataPhase>> without_source(std::vector<DataPhase> phases, size_t source,
                                              int64_t first_sample);

}  // namespace ballast
