// What the data order of each segment of a run stood on: skip ranges, dropped sources and the law,
// step by step, followed from the journal by the rules of whoever resumed the run
// (libcore/checkpoint/{journal,forks}.h). Pure. Kind corrupt where the journal does not hold a
// segment.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libcore/checkpoint/forks.h"
#include "libcore/checkpoint/journal.h"
#include "libcore/data/order_law.h"
#include "libcore/data/skip_ranges.h"
#include "libcore/trace/reader.h"

namespace ballast {

struct DataState {
  std::vector<SkipRange> skips;  // sorted, disjoint
  std::vector<DroppedSource> dropped;
  int64_t last_fork = 0;  // journal line of the last fork taken; 0: none
};

struct SegmentData {
  int64_t id = 0;
  std::optional<int64_t> parent;
  int64_t parent_step = 0;  // its last step that counts
  Json law;
  DataState start;
  std::vector<Fork> ahead;  // that it was to take, ascending by step
  // In force when `step` was computed.
  DataState before(int64_t step) const;
};

// One per segment of the trace, in its order. `law`: of a checkpoint; the journal's changes lead to
// and from it. `origin`: what the first segment began with, of a run that is a branch of another.
Result<std::vector<SegmentData>> follow_segments(const JournalContents& journal,
                                                 const std::vector<Segment>& segments,
                                                 const Json& law, const DataState& origin);

}  // namespace ballast
