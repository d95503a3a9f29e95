// Gives the records of a log without segments their segments, positions in tokens, and the marks
// that the user named (`note` events). A `run` record stands where a segment begins: at the start
// of a file, where the log speaks of its run again, and at a step that is not later than the one
// before. Evaluations and resumptions of earlier steps wait for the next step, which says on which
// line they stand. Pure; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// What the user knows of every step: its tokens, and that the norm was taken after clipping.
// `from_zero`: the log calls its first step 0.
void complete_step(StepRecord& step, const ImportOptions& options, bool from_zero);

// Kind usage when `options` say anything of a trace that is ours, `name`.
Result<void> refuse_for_ours(const ImportOptions& options, const std::string& name);

class Segmenter {
 public:
  explicit Segmenter(const ImportOptions& options);

  // The next file of the same run.
  void begin_file(LogFormat format);
  // Appends the line of `record`, which is changed, and what has to stand before it, to `into`.
  void take(TraceRecord& record, std::string& into);
  // The records of the file have ended.
  void end_file(std::string& into);
  // Marks whose token the log has not come to, or that could not be placed for want of tokens.
  size_t marks_left() const { return marks_.size() - next_mark_; }

 private:
  void take_run(const RunRecord& run);
  void begin_segment(int64_t time_us, int64_t parent_step, std::string& into);
  void take_step(StepRecord& step, std::string& into);
  std::vector<TraceRecord> settle(const TraceRecord& next, bool begins, std::string& into);
  void put(TraceRecord& record, std::string& into);
  void put_marks(const StepRecord& step, std::string& into);

  const ImportOptions options_;
  RunRecord run_;  // what the log says of its run, repeated in every segment
  int64_t segment_ = -1;
  bool open_ = false;                 // the segment of the records that come has begun
  int64_t last_step_ = -1;            // on the line
  bool from_zero_ = false;            // the log calls its first step 0
  std::vector<TraceRecord> waiting_;  // evaluations and resumptions that go back
  std::vector<std::pair<int64_t, std::string>> marks_;  // ascending
  size_t next_mark_ = 0;
  bool replace_marks_ = true;  // a segment has begun: some marks may come again
};

}  // namespace ballast
