// When does `persistent` speak, and of what? The Detector's law beside the plain count of 50 steps,
// over losses that come back slowly and losses that do not.
#pragma once

#include <cstdint>

namespace ballast {

// Markdown on standard output: `runs` of each course.
void print_persistence(int64_t runs, uint64_t seed);

}  // namespace ballast
