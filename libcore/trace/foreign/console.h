// What readers of console logs share: consoles carry colour codes, carriage returns, the same line
// from several ranks, and between the records everything else that programs print. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libcore/io/stream.h"
#include "libcore/trace/foreign/gather.h"

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
  const std::string& name() const { return source_->name(); }
  bool torn() const { return torn_; }  // something stood behind the last end

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

// The finest decimal that numbers were written with.
class DecimalTick {
 public:
  void add(std::string_view number);
  double tick() const;  // 0: none seen, or written with an exponent

 private:
  int decimals_ = -1;
  bool exponent_ = false;
};

// A console whose lines name their numbers, so that --map means something.
class NamedConsole : public QueuedLog {
 public:
  NamedConsole(std::unique_ptr<ByteSource> source, ColumnMap map)
      : lines_(std::move(source)), names_(std::move(map), notes_), gatherer_(names_) {}

 protected:
  virtual void take_line(std::string_view line) = 0;
  virtual void finish_step() {}  // the last one may still be open
  Result<bool> read_more() override;

  ConsoleLines lines_;
  KnownNames names_;
  StepGatherer gatherer_;
  RepeatedSteps repeated_;
  DecimalTick tick_;
};

// The log that `Log` reads; usage error when the options name what it has no place for.
template <typename Log>
Result<std::unique_ptr<ForeignLog>> open_named_console(std::unique_ptr<ByteSource> source,
                                                       const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, source->name()));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  return std::make_unique<Log>(std::move(source), std::move(map));
}

// Whether `Log` finds a record in the head.
template <typename Log>
bool has_record_of(std::string_view head) {
  Log log(memory_source(std::string(head)), ColumnMap::make({}).take_value());
  TraceRecord record;
  const Result<bool> got = log.next(record);
  return got.ok() && *got;
}

// The time in a line's prefix, "2025-01-31 12:00:00.123" with a point or comma before the fraction.
std::optional<int64_t> time_in_prefix(std::string_view prefix);

// A number at the start of `text`: how long it is, 0 when there is none. As std::from_chars, with a
// short way for decimals without exponent.
size_t read_number(std::string_view text, double& value);

// A whole number at the start of `text`, which loses it and the blanks before it.
std::optional<int64_t> take_whole(std::string_view& text);

}  // namespace ballast
