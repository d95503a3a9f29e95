// Which steps of which segments form the line that training is on now (reader.h says the rule).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/stream.h"
#include "libcore/trace/reader.h"

namespace ballast {

// A quick pass: looks into run records and, with `events`, into event records only.
Result<TraceOutline> scan_outline(ByteSource& source, bool skip_bad_lines, bool events);

Segment segment_of(const RunRecord& run);

// Sets `surviving` and `cut` of each.
void mark_surviving(std::vector<Segment>& segments);

// Last surviving step by segment; segments without a run record, which nothing continues, are not
// in it and survive whole.
class SurvivingLine {
 public:
  explicit SurvivingLine(const std::vector<Segment>& segments);
  bool holds(int64_t segment, int64_t step) const { return step <= last_step(segment); }
  // INT64_MAX: it survives whole.
  int64_t last_step(int64_t segment) const;

 private:
  std::map<int64_t, int64_t> cut_;
};

}  // namespace ballast
