// The instruction set that the vector kernels dispatch to on this processor.
#pragma once

#include <string>

namespace ballast {

std::string simd_target();  // "AVX3_ZEN4", "NEON", ...

}  // namespace ballast
