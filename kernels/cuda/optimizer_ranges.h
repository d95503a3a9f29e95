// The ranges of an optimizer step on the device. They go there as arguments of a kernel that also
// works out the scalars of each, in double, from ratios that only the device knows: the host waits
// for nothing, and ranges may be others in every step.
#pragma once

#include <span>
#include <vector>

#include "kernels/cuda/launch.h"
#include "libcore/tensor/backend.h"

namespace ballast {

struct DeviceRange {
  int64_t begin, end, entry;
  float m_factor, m2_factor, decay;  // as in ref::OptimizerScalars
};

// Neighbours with the same scalars as one range: their elements are updated alike.
std::vector<OptimizerRange> joined_ranges(const OptimizerStep& step);

// Writes `ranges` of the step to `out` (ranges.size() on the device).
void upload_ranges(const Stream& stream, DeviceRange* out, std::span<const OptimizerRange> ranges,
                   const OptimizerStep& step);

}  // namespace ballast
