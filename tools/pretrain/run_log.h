// Says what happens to a run: records and events in its trace, decisions in its journal, and where
// a segment begins. Every record carries the present segment and the time. A step's record may be
// held until its last numbers are there; whatever is written next comes behind it. The leading rank
// writes; on the others the same calls leave nothing behind, so that all ranks run the same code.
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libcore/checkpoint/journal.h"
#include "libcore/checkpoint/lease.h"
#include "libcore/trace/writer.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/run_state.h"
#include "tools/pretrain/world.h"

namespace ballast {

struct SegmentStart {
  int64_t segment = 0;
  std::optional<int64_t> parent;  // segment that it continues, after the present step
  std::string checkpoint;         // hash of the manifest it begins from; empty: none
};

class RunLog {
 public:
  // All must outlive the log.
  RunLog(World& world, const RunConfig& config, RunState& state);

  // The journal can be used before the trace is open.
  Result<void> open_trace();
  Result<void> close_trace();

  Result<void> event(int64_t step, const std::string& name, const std::string& reason,
                     Json details = {});
  Result<void> journal(const std::string& event, const Json& fields);
  Result<JournalContents> read() const;
  template <class Record>
  Result<void> write(Record record) {
    BALLAST_TRY(settle());
    record.segment = state_.counters().segment;
    record.time_us = wall_clock_us();
    return trace_->write(record);
  }
  // A record that was taken earlier, as of then.
  Result<void> write(std::string_view type, int64_t segment, int64_t time_us, int64_t step,
                     const Json& values) {
    BALLAST_TRY(settle());
    return trace_->write(type, segment, time_us, step, values);
  }
  // The record of a step, as of now, but for what `complete` will fill in; it may wait for the
  // device.
  Result<void> hold(StepRecord record, std::function<void(StepRecord&)> complete);
  // Writes what is held.
  Result<void> settle();
  // Before something relies on the records.
  Result<void> sync() {
    BALLAST_TRY(settle());
    return trace_->sync();
  }

  // Begins a segment after the present step.
  Result<void> begin_segment(const SegmentStart& start);
  void set_holder(const LeaseHolder& holder) { holder_ = holder; }  // who runs it, for its record
  // The number of a segment that nobody has. Collective.
  Result<int64_t> free_segment();

  bool reader_gone() const { return trace_ != nullptr && trace_->reader_closed(); }
  bool stdout_failed() const { return trace_->stdout_failed(); }
  void print_warnings();

 private:
  World& world_;
  FileSystem& fs_;
  const RunConfig& config_;
  RunState& state_;
  int64_t parameters_;
  LeaseHolder holder_;
  std::unique_ptr<TraceWriter> trace_;
  std::optional<StepRecord> held_;
  std::function<void(StepRecord&)> complete_;
};

// Replaces a file of the run directory whole.
Result<void> write_run_text(FileSystem& fs, const std::string& path, const std::string& text);

}  // namespace ballast
