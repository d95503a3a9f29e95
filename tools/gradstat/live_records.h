// The records of a log that grows, ours or that of another trainer where it can be read line by
// line: llm.c, Megatron, torchtitan, OLMo-core, CSV or TSV, JSON Lines, told apart by their first
// lines. Foreign steps that go back begin a segment, as a restart of ours does. One thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "libcore/trace/foreign/foreign_log.h"
#include "libcore/trace/parser.h"
#include "tools/gradstat/tail.h"

namespace ballast {

class LiveRecords {
 public:
  // `idle` is called whenever nothing came for `wait_ms()`; false ends the reading.
  struct Hooks {
    std::function<bool()> idle;
    std::function<int()> wait_ms;
    std::function<void()> line;  // after each line that came
  };
  // `import`: what the user knows of a foreign log; refused of a trace of ours.
  LiveRecords(Tail& tail, Hooks hooks, bool skip_bad_lines, ImportOptions import);
  ~LiveRecords();

  // The next record; false at the end, or when `idle` said so. Error: kind corrupt, a damaged line.
  Result<bool> next(TraceRecord& record);
  int64_t damaged() const;
  const std::string& first_damage() const { return first_damage_; }

 private:
  class Lines;  // the tail as a ByteSource
  Result<bool> find_format();
  Result<void> open_named();
  Result<bool> next_own(TraceRecord& record);
  Result<bool> next_foreign(TraceRecord& record);

  Tail& tail_;
  Hooks hooks_;
  bool skip_bad_lines_;
  ImportOptions import_;
  bool known_ = false, own_ = false;  // whether its format is known, and is ours
  std::string head_;                  // lines read to find the format, not yet handed on
  std::unique_ptr<ForeignLog> log_;
  TraceParser parser_{kAllFields & ~uint64_t{kFieldRest}};
  int64_t line_ = 0, damaged_ = 0;
  std::string first_damage_;
  int64_t segment_ = 0, last_step_ = -1;  // of a foreign log
  bool from_zero_ = false;                // it calls its first step 0
  std::deque<TraceRecord> waiting_;
};

}  // namespace ballast
