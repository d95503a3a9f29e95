#include "kernels/cpu/isa.h"

#include <hwy/targets.h>

namespace ballast {

// Targets are bits; the lowest supported one is the best.
std::string simd_target() {
  const int64_t supported = hwy::SupportedTargets();
  return hwy::TargetName(supported & -supported);
}

}  // namespace ballast
