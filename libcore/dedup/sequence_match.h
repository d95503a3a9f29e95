// The overlap of two sequences by Ratcliff and Obershelp (1988): the longest common run, then the
// same to its left and to its right. Of equal runs the one that begins first in `a` counts, then in
// `b`, as Python's difflib has it with autojunk=False. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace ballast {

struct MatchingRun {
  int64_t a = 0, b = 0, length = 0;
  bool operator==(const MatchingRun&) const = default;
};

// In the order of `a`. Time: the product of the lengths at worst, times the depth of the splits.
std::vector<MatchingRun> matching_runs(const std::vector<uint32_t>& a,
                                       const std::vector<uint32_t>& b);

}  // namespace ballast
