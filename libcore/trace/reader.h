// Reads traces record by record, memory flat in their length: plain, gzip or zstd by content, a
// file, a run directory or "-", several files as one run, and the logs of other trainers as if they
// were traces (libcore/trace/foreign/import.h). A last line without LF is ignored (somebody is
// still writing, or was killed). TraceView::surviving hides what a rollback or resume abandoned:
// with the segment chain from the last `run` record back to the first, a step is shown when its
// segment is on the chain and no later segment of the chain starts before it. Finding the chain
// takes a first quick pass over the input ("-" is spooled to an unnamed temporary file for it). One
// thread per reader.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/stream.h"
#include "libcore/trace/foreign/import.h"
#include "libcore/trace/parser.h"
#include "libcore/trace/record.h"

namespace ballast {

enum class TraceView { surviving, all };

struct TraceReadOptions {
  TraceView view = TraceView::surviving;
  uint64_t fields = kAllFields;  // FieldMask of step records; the others are left empty
  bool steps_only = false;      // run and event records too, but eval, layers, amax are passed over
  bool skip_bad_lines = false;  // count them instead of failing
  ImportOptions import = {};    // what is known of a log that is not ours
  int threads = 1;              // that parse; the records are the same with any number
  bool outline = false;         // TraceReader::outline() is wanted, in any view
};

// What is known of a segment after the first pass.
struct Segment {
  int64_t id = 0;
  std::optional<int64_t> parent, parent_step;
  bool surviving = false;
  int64_t cut = INT64_MAX;  // last surviving step
};

// An event that moves the level of losses and norms for good (restarts_statistics()).
struct LevelEvent {
  int64_t segment = 0;
  int64_t step = 0;
};

// What is known of a trace before its first record is shown.
struct TraceOutline {
  std::vector<Segment> segments;         // in file order
  std::vector<RunRecord> runs;           // of the same index; empty where nobody asked
  std::vector<LevelEvent> level_events;  // in file order; likewise
};

// What is wrong with the log, as opposed to with the run.
struct TraceHealth {
  int64_t lines = 0;
  int64_t bad_lines = 0;
  int64_t first_bad_line = 0;  // 0: none
  std::string first_bad_reason;
  int64_t unknown_types = 0;     // records of later versions, shown as `other`
  int64_t torn_bytes = 0;        // of a last line without LF
  int64_t hidden_steps = 0;      // steps of abandoned branches
  int64_t interval = 1;          // steps from one record to the next, as nearly everywhere
  int64_t missing_steps = 0;     // gaps in the line: records that `interval` lets expect
  int64_t repeated_steps = 0;    // steps that do not ascend within the line
  int64_t clock_steps_back = 0;  // times that go backwards within a segment
};

class TraceReader {
 public:
  // PATH: a trace, a run directory or "-".
  static Result<std::unique_ptr<TraceReader>> open(FileSystem& fs, const std::string& path,
                                                   const TraceReadOptions& options = {});
  // The same for several operands, which are one run; there is one at least.
  static Result<std::unique_ptr<TraceReader>> open(FileSystem& fs,
                                                   std::span<const std::string> operands,
                                                   const TraceReadOptions& options = {});
  ~TraceReader();

  // The next record into `record` (its buffers are reused); false at the end.
  Result<bool> next(TraceRecord& record);
  const TraceHealth& health() const;  // complete once next() gave false
  // Known from the start; in TraceView::all only where it was asked for.
  const std::vector<Segment>& segments() const { return outline().segments; }
  const TraceOutline& outline() const;
  const std::string& path() const;
  const std::vector<LogPart>& parts() const;  // one per operand; notes are complete at the end

 private:
  struct State;
  explicit TraceReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// RUN -> RUN/trace.jsonl; files and "-" as they are.
std::string trace_path_of(FileSystem& fs, const std::string& operand);

}  // namespace ballast
