// What the readers of named numbers share: what names mean, one step put together from names and
// numbers, and what is counted on the way. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/trace/foreign/column_map.h"
#include "libcore/trace/foreign/foreign_log.h"
#include "libcore/trace/step_fields.h"

namespace ballast {

// Usage error when the user names what the format has no place for: columns where its keys are its
// own, a run where a file is one run.
Result<void> refuse_map(const ImportOptions& options, const std::string& where);
Result<void> refuse_run_name(const ImportOptions& options, const std::string& where);

// Counts a line that begins like a record and cannot be read.
void count_damaged(ForeignNotes& notes, int64_t line, std::string_view why);
// Lists a name that was not understood, once, 100 at most.
void count_unused(ForeignNotes& notes, std::string_view name);

// A log whose reader finds no record, one or several in what it reads at a time.
class QueuedLog : public ForeignLog {
 public:
  Result<bool> next(TraceRecord& record) final {
    while (queue_.empty())
      if (!BALLAST_TRY(read_more())) return false;
    record = std::move(queue_.front());
    queue_.pop_front();
    return true;
  }
  const ForeignNotes& notes() const final { return notes_; }

 protected:
  // Puts what it finds into queue_; false: the log has ended and the notes are complete.
  virtual Result<bool> read_more() = 0;

  ForeignNotes notes_;
  std::deque<TraceRecord> queue_;
};

// The usual distance of the steps of a log.
class StepGaps {
 public:
  void add(int64_t step);
  int64_t usual() const { return votes_ > 0 ? gap_ : 0; }

 private:
  int64_t last_ = -1, gap_ = 0, votes_ = 0;
};

// What names mean, remembered.
class KnownNames {
 public:
  KnownNames(ColumnMap map, ForeignNotes& notes) : map_(std::move(map)), notes_(notes) {}
  // Valid until the next call. A name that means nothing is listed in the notes.
  const ColumnTarget& target_of(std::string_view name);
  // Usage error: a name was mapped that never came. For the end of a log.
  Result<void> check_mapped(std::string_view where) const;

 private:
  ColumnMap map_;
  ForeignNotes& notes_;
  std::map<std::string, ColumnTarget, std::less<>> known_;
};

// One step and its held-out losses, from names and numbers in any order; of several names for one
// member the best one counts.
class StepGatherer {
 public:
  StepGatherer() = default;  // for targets
  explicit StepGatherer(KnownNames& names) : names_(&names) {}
  void begin(int64_t step, int64_t time_us, int64_t line);
  bool is_open() const { return open_; }
  StepRecord& step() { return step_; }
  // False: the name is of no use.
  bool add(std::string_view name, double value);
  bool add(const ColumnTarget& target, double value);
  void add(const ColumnTarget& target, std::string_view text);  // fields
  // Whether the member has been set: then this is another record of the same step.
  bool has(const ColumnTarget& target) const;
  // Ends the step: its records, behind those that are there.
  void finish(std::deque<TraceRecord>& into);

 private:
  EvalRecord* eval_of(const ColumnTarget& target);

  KnownNames* names_ = nullptr;
  bool open_ = false, is_step_ = false;
  int64_t line_ = 0;
  StepRecord step_;
  std::vector<EvalRecord> evals_;
  std::array<int, kStepFields.size()> ranks_{};  // of the name that set a field
};

}  // namespace ballast
