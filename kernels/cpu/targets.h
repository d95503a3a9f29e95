// Which instruction sets the vector kernels are compiled for; included before any Highway header.
// Left out: the small steps between SSE2 and AVX2, and Arm's scalable vectors, whose types cannot
// stand in the arrays that hold register tiles (NEON serves those processors).
#pragma once

#include <hwy/detect_compiler_arch.h>

#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
