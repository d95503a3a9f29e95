#include "libcore/data/skip_ranges.h"

#include <algorithm>

namespace ballast {

void add_skip_range(std::vector<SkipRange>& ranges, SkipRange range) {
  if (range.begin >= range.end) return;
  std::vector<SkipRange> joined;
  for (const SkipRange& other : ranges) {
    if (other.end < range.begin || other.begin > range.end) {
      joined.push_back(other);
    } else {
      range = {std::min(range.begin, other.begin), std::max(range.end, other.end)};
    }
  }
  joined.insert(std::ranges::upper_bound(joined, range.begin, {}, &SkipRange::begin), range);
  ranges = std::move(joined);
}

bool are_skip_ranges_sorted(const std::vector<SkipRange>& ranges) {
  int64_t reached = -1;
  for (const SkipRange& range : ranges) {
    if (range.begin <= reached || range.begin < 0 || range.end <= range.begin) return false;
    reached = range.end;
  }
  return true;
}

int64_t sample_of(int64_t consumed, const std::vector<SkipRange>& ranges) {
  int64_t sample = consumed;
  for (const SkipRange& range : ranges) {
    if (sample < range.begin) break;
    sample += range.end - range.begin;
  }
  return sample;
}

std::optional<int64_t> consumed_before(int64_t sample, const std::vector<SkipRange>& ranges) {
  int64_t consumed = sample;
  for (const SkipRange& range : ranges) {
    if (sample < range.begin) break;
    if (sample < range.end) return std::nullopt;
    consumed -= range.end - range.begin;
  }
  return consumed;
}

}  // namespace ballast
