// What a run passes over: ranges of samples that are never fed. Part of the data order, because the
// data index (the count of samples consumed on a line) is mapped over them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace ballast {

// Half open, in samples of the data order.
struct SkipRange {
  int64_t begin = 0;
  int64_t end = 0;
  bool operator==(const SkipRange&) const = default;
};

// Sorted and disjoint: adds `range`, joining what overlaps or touches.
void add_skip_range(std::vector<SkipRange>& ranges, SkipRange range);
bool are_skip_ranges_sorted(const std::vector<SkipRange>& ranges);

// The sample of the `consumed`-th one (from 0) that is not skipped; `ranges` are sorted.
int64_t sample_of(int64_t consumed, const std::vector<SkipRange>& ranges);
// Its inverse: how many samples that are not skipped come before `sample`; nullopt for a skipped
// one.
std::optional<int64_t> consumed_before(int64_t sample, const std::vector<SkipRange>& ranges);

}  // namespace ballast
