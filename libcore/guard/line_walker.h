// One line of a run, row by row: the Detector as it was called in training, the Classifier in
// hindsight, and the sums that say what an incident cost. A branch is a copy made where it leaves.
// Memory does not grow with the length of the line, only with the number of its incidents. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libcore/guard/classifier.h"
#include "libcore/guard/detector.h"
#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"
#include "libcore/guard/stretch.h"

namespace ballast {

class LineWalker {
 public:
  explicit LineWalker(const IncidentSettings& settings);
  // The next row comes from another segment, whose newest run record is `run` (null: lost).
  void enter(int64_t segment, const RunRecord* run);
  // An event on the line that moves levels; before the first row at or after its step.
  void cross(int64_t step);
  void take(const StepRow& row, bool surviving);
  // What was found, in no order, without ids. No more rows follow.
  std::vector<RunIncident> finish(std::span<const RunRecord> runs);
  bool in(int64_t segment) const { return entered_ && segment_ == segment; }

 private:
  // Whose rows: those of the surviving line, or those that a segment had to itself when it was
  // left.
  struct Owner {
    int64_t segment = 0;
    bool surviving = true;
    bool operator==(const Owner& other) const {
      return surviving == other.surviving && (surviving || segment == other.segment);
    }
  };
  // A run of abnormal steps as the Detector sees it, up to where the line is left: what goes on
  // behind the fork is another, else the surviving line would not know of it and neither would
  // anyone else.
  struct Episode {
    Owner owner() const { return {segment, surviving}; }
    int64_t begin = 0, end = 0;  // steps, inclusive
    int64_t end_row = 0;
    int64_t segment = 0;
    bool surviving = true;
    bool loss = false, norm = false, nonfinite = false, persistent = false;
    Stretch stretch;
    Stretch behind;  // peaks of the rows since its end, which count where it goes on
  };
  struct Draft {
    RunIncident incident;
    Stretch stretch;
  };
  LineSums sums_with(const StepRow& row) const;
  void observe(const StepRow& row, const LineSums& through, bool surviving);
  static void join(const Episode& episode, std::vector<Draft>& drafts);
  void measure(Draft& draft, std::span<const RunRecord> runs) const;

  std::optional<double> cost_per_hour_;
  int64_t quiet_steps_;
  Detector detector_;
  ClassifierStream classifier_;
  LineSums sums_;  // of the rows so far
  int64_t segment_ = -1;
  bool entered_ = false;
  bool moved_ = false;  // an event takes effect at the next row
  std::vector<Episode> episodes_;
};

}  // namespace ballast
