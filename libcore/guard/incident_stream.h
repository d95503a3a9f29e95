// The incidents of a run from its rows as they stand in the trace, those of all branches: every
// line is walked at once, and a line that leaves the others goes on from a copy of where they were.
// Memory grows with the number of segments and incidents, not of rows. find_incidents() is this
// over a history. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "libcore/guard/incidents.h"
#include "libcore/guard/line_walker.h"
#include "libcore/trace/reader.h"
#include "libcore/trace/surviving.h"

namespace ballast {

class IncidentStream {
 public:
  // `outline` with its runs and events; it stays.
  IncidentStream(const TraceOutline& outline, const IncidentSettings& settings);
  void take(const StepRow& row);  // row.surviving is not looked at
  std::vector<RunIncident> finish();

 private:
  // The line that survived, or the one that leads to the end of a segment.
  struct Line {
    SurvivingLine cut;
    bool all = false;            // holds segments without a run record too
    std::set<int64_t> segments;  // which have one
  };
  // Lines that are the same so far.
  struct Group {
    LineWalker walker;
    std::vector<size_t> lines;
    size_t event = 0;  // next of events_
    // Of the current segment: rows up to the first are on all lines, up to the second on some.
    int64_t on_all = 0, on_some = 0;
  };
  int64_t last_step(size_t line, int64_t segment) const;
  void set_bounds(Group& group) const;
  template <class OnLine>
  void split(size_t group, OnLine on_line);
  void cross_events(size_t group, int64_t step);

  const TraceOutline& outline_;
  std::vector<Line> lines_;         // the surviving one, then one per segment
  std::vector<LevelEvent> events_;  // by step
  std::deque<Group> groups_;
  bool begun_ = false;
  int64_t segment_ = 0;          // of the last row
  int64_t surviving_until_ = 0;  // in it
  std::set<int64_t> left_;       // segments with rows that were abandoned
};

}  // namespace ballast
