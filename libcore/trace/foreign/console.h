// What readers of console logs share: consoles carry colour codes, carriage returns, the same line
// from several ranks, and between the records everything else that programs print. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/io/stream.h"
#include "libcore/trace/foreign/column_map.h"
#include "libcore/trace/foreign/foreign_log.h"
#include "libcore/trace/step_fields.h"

namespace ballast {

// Lines without LF, colour codes and other escape sequences; a CR ends a line too. What stands
// behind the last line end is not given: it may be cut.
class ConsoleLines {
 public:
  explicit ConsoleLines(std::unique_ptr<ByteSource> source)
      : source_(std::move(source)), lines_(*source_, kMaxLine) {}
  // Valid until the next call; nullopt at the end. Kind corrupt: a line over kMaxLine.
  Result<std::optional<std::string_view>> next();
  int64_t number() const { return lines_.line_number(); }  // from 1, by LF
  bool torn() const { return torn_; }                      // something stood behind the last end

 private:
  static constexpr int64_t kMaxLine = int64_t{16} << 20;
  std::string_view take(size_t size);

  std::unique_ptr<ByteSource> source_;
  LineReader lines_;
  std::string_view rest_;  // of the line, behind a CR
  bool open_ = false;      // rest_ is to be given
  bool torn_ = false;
  std::string plain_;
};

// Counts a line that begins like a record and cannot be read.
void count_damaged(ForeignNotes& notes, int64_t line, std::string_view why);
// Lists a name that was not understood, once, 100 at most.
void count_unused(ForeignNotes& notes, std::string_view name);

// Drops what other ranks repeat: the same numbers at the same step, written within seconds, or,
// where the log has no times, among the last two steps. A restarted trainer that computes the same
// again is further away.
class RepeatedSteps {
 public:
  bool is_repeat(const StepRecord& record);

 private:
  static constexpr size_t kRemembered = 8;
  struct Seen {
    int64_t step = -1;
    int64_t time_us = 0;
    double loss = 0, grad_norm = 0;
  };
  std::array<Seen, kRemembered> seen_{};
  size_t newest_ = 0;
};

// The usual distance of the steps of a log.
class StepGaps {
 public:
  void add(int64_t step);
  int64_t usual() const { return votes_ > 0 ? gap_ : 0; }

 private:
  int64_t last_ = -1, gap_ = 0, votes_ = 0;
};

// The finest decimal that numbers were written with.
class DecimalTick {
 public:
  void add(std::string_view number);
  double tick() const;  // 0: none seen, or written with an exponent

 private:
  int decimals_ = -1;
  bool exponent_ = false;
};

// What names mean, remembered.
class KnownNames {
 public:
  KnownNames(ColumnMap map, ForeignNotes& notes) : map_(std::move(map)), notes_(notes) {}
  // Valid until the next call. A name that means nothing is listed in the notes.
  const ColumnTarget& target_of(std::string_view name);

 private:
  ColumnMap map_;
  ForeignNotes& notes_;
  std::map<std::string, ColumnTarget, std::less<>> known_;
};

// One step and its held-out losses, from names and numbers in any order; of several names for one
// member the best one counts.
class StepGatherer {
 public:
  explicit StepGatherer(KnownNames& names) : names_(names) {}
  void begin(int64_t step, int64_t time_us, int64_t line);
  bool is_open() const { return open_; }
  StepRecord& step() { return step_; }
  // False: the name is of no use.
  bool add(std::string_view name, double value);
  // Ends the step: its records, behind those that are there.
  void finish(std::deque<TraceRecord>& into);

 private:
  KnownNames& names_;
  bool open_ = false, is_step_ = false;
  int64_t line_ = 0;
  StepRecord step_;
  std::vector<EvalRecord> evals_;
  std::array<int, kStepFields.size()> ranks_{};  // of the name that set a field
};

// The time in a line's prefix, "2025-01-31 12:00:00.123" with a point or comma before the fraction.
std::optional<int64_t> time_in_prefix(std::string_view prefix);

// A whole number at the start of `text`, which loses it and the blanks before it.
std::optional<int64_t> take_whole(std::string_view& text);

}  // namespace ballast
