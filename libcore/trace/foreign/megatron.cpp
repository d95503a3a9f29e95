#include "libcore/trace/foreign/megatron.h"

#include <fmt/format.h>

#include <deque>

#include "libcore/base/ascii.h"
#include "libcore/trace/foreign/console.h"
#include "libcore/trace/foreign/megatron_line.h"
#include "libcore/trace/step_fields.h"

namespace ballast {
namespace {

constexpr size_t kLongestRecord = 16 << 10;

bool ends_with_bar(std::string_view text) { return trim_blanks(text).ends_with('|'); }

// Of two records on one line: the first without the prefix of the second.
std::string_view without_prefix(std::string_view text) {
  const size_t bar = text.rfind('|');
  if (bar == std::string_view::npos) return text;
  const std::string_view tail = trim_blanks(text.substr(bar + 1));
  const bool number =
      tail.ends_with(':') && tail.find_first_not_of("0123456789") == tail.size() - 1;
  return tail.starts_with('[') || number ? text.substr(0, bar + 1) : text;
}

class MegatronLog final : public ForeignLog {
 public:
  explicit MegatronLog(std::unique_ptr<ByteSource> source) : lines_(std::move(source)) {}

  Result<bool> next(TraceRecord& record) override {
    while (queue_.empty()) {
      const std::optional<std::string_view> line = BALLAST_TRY(lines_.next());
      if (!line && held_.empty()) return finish();
      ended_ = !line;
      if (line ? take_line(*line, record) : read_held(record)) return true;
    }
    record = std::move(queue_.front());
    queue_.pop_front();
    return true;
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  bool take_line(std::string_view line, TraceRecord& record);
  void take_other(std::string_view line);
  void hold(std::string_view record, std::string_view prefix);
  bool read_held(TraceRecord& record);
  bool parse(std::string_view text, StepRecord& step, MegatronInterval& interval);
  bool bring_events(TraceRecord& record, const MegatronInterval& interval);
  void bring_event(const StepRecord& step, std::string_view name, std::string reason, Json details);
  Result<bool> finish();

  ConsoleLines lines_;
  ForeignNotes notes_;
  MegatronFields fields_;
  RepeatedSteps repeated_;
  StepGaps gaps_;
  DecimalTick tick_;
  std::string held_;  // a record whose rest may still come, from "iteration" on
  int64_t held_line_ = 0, held_time_us_ = 0;
  std::deque<TraceRecord> queue_;
  std::vector<std::string> unused_;
  int64_t last_step_ = 0, last_batch_ = 0, last_time_us_ = 0, last_tokens_ = 0;
  std::string last_other_;  // the checkpoint or validation line before
  bool ended_ = false;
};

// True when `record` was filled. What a line begins is held back, since a terminal may have broken
// it: the record comes when the next begins.
bool MegatronLog::take_line(std::string_view line, TraceRecord& record) {
  std::optional<MegatronHead> head = find_megatron_head(line);
  if (!head) {
    if (line.find('|') == std::string_view::npos) {
      if (line.find("checkpoint") == std::string_view::npos) return false;
    } else if (!held_.empty() && held_.size() + line.size() < kLongestRecord &&
               line.find("loss at ") == std::string_view::npos &&
               (!ends_with_bar(held_) || continues_megatron_record(line))) {
      held_ += line;
      return false;
    }
    const bool got = read_held(record);
    take_other(line);
    return got;
  }
  const bool got = read_held(record);
  size_t prefix = 0;
  while (const std::optional<MegatronHead> second = find_megatron_head(line, head->end)) {
    hold(without_prefix(line.substr(head->at, second->at - head->at)),
         line.substr(prefix, head->at - prefix));
    TraceRecord first;
    if (read_held(first)) queue_.push_back(std::move(first));
    prefix = head->end;
    head = second;
  }
  hold(line.substr(head->at), line.substr(prefix, head->at - prefix));
  return got;
}

void MegatronLog::hold(std::string_view record, std::string_view prefix) {
  held_ = record;
  held_line_ = lines_.number();
  held_time_us_ = time_in_prefix(prefix).value_or(0);
}

bool MegatronLog::parse(std::string_view text, StepRecord& step, MegatronInterval& interval) {
  const std::optional<MegatronHead> head = find_megatron_head(text);
  if (!head || head->cut || !ends_with_bar(text)) {
    if (ended_) {
      notes_.truncated = true;
    } else {
      count_damaged(notes_, held_line_, "the record of an iteration breaks off");
    }
    return false;
  }
  clear_step(step);
  step.step = head->iteration;
  step.time_us = held_time_us_;
  unused_.clear();
  const bool good = fields_.read(text.substr(head->end), step, interval, unused_);
  for (const std::string& name : unused_) count_unused(notes_, name);
  if (!good) count_damaged(notes_, held_line_, "a field of an iteration has no usable value");
  return good;
}

bool MegatronLog::read_held(TraceRecord& record) {
  if (held_.empty()) return false;
  MegatronInterval interval;
  const bool good = parse(held_, record.step, interval);
  tick_.add(interval.norm);  // points into held_
  held_.clear();
  if (!good) return false;
  ++notes_.records;
  if (repeated_.is_repeat(record.step)) return false;
  record.type = RecordType::step;
  record.line = held_line_;
  record.segment = 0;
  gaps_.add(record.step.step);
  return bring_events(record, interval);
}

// What a record says besides: a new batch size before it, steps not taken and NaNs behind it. False
// when that went into the queue and the record with it.
bool MegatronLog::bring_events(TraceRecord& record, const MegatronInterval& interval) {
  StepRecord& step = record.step;
  const bool resized = interval.batch > 0 && last_batch_ > 0 && interval.batch != last_batch_ &&
                       step.step > last_step_;
  const int64_t before = last_batch_;
  last_step_ = step.step;
  last_time_us_ = step.time_us;
  last_tokens_ = step.tokens;
  if (interval.batch > 0) last_batch_ = interval.batch;
  const bool all = interval.skipped > 0 && !step.loss;
  step.skipped = all;
  if (all) step.skip_reason = "the trainer skipped it";
  const bool some = interval.skipped > 0 && !all;
  if (!resized && !some && interval.nans == 0) return true;
  if (resized)
    bring_event(step, "batch_size", "the global batch size of the log changed",
                {{"from_samples", before}, {"to_samples", interval.batch}});
  queue_.push_back(record);
  if (some)
    bring_event(step, "skip", "iterations of the log interval were skipped",
                {{"count", interval.skipped}});
  if (interval.nans > 0)
    bring_event(step, "nan", "iterations of the log interval had a loss that is not finite",
                {{"count", interval.nans}});
  return false;
}

void MegatronLog::bring_event(const StepRecord& step, std::string_view name, std::string reason,
                              Json details) {
  TraceRecord record;
  record.type = RecordType::event;
  record.line = held_line_;
  record.event.step = step.step;
  record.event.time_us = step.time_us;
  record.event.event = name;
  record.event.reason = std::move(reason);
  record.event.details = std::move(details);
  queue_.push_back(std::move(record));
}

// Validation and checkpoint lines, which several ranks may write.
void MegatronLog::take_other(std::string_view line) {
  TraceRecord record;
  record.line = lines_.number();
  std::string key;
  if (std::optional<EvalRecord> eval = megatron_validation(line, last_step_)) {
    record.type = RecordType::eval;
    record.eval = std::move(*eval);
    record.eval.time_us = time_in_prefix(line.substr(0, line.find('|'))).value_or(last_time_us_);
    if (record.eval.step == last_step_) record.eval.tokens = last_tokens_;
    key = fmt::format("{} {} {}", record.eval.step, record.eval.set, record.eval.loss.value_or(0));
  } else if (std::optional<EventRecord> event = megatron_event(line)) {
    record.type = RecordType::event;
    record.event = std::move(*event);
    record.event.time_us = time_in_prefix(line).value_or(last_time_us_);
    key = fmt::format("{} {}", record.event.event, record.event.step);
  } else {
    return;
  }
  ++notes_.records;
  if (key == last_other_) return;
  last_other_ = std::move(key);
  queue_.push_back(std::move(record));
}

Result<bool> MegatronLog::finish() {
  notes_.truncated = notes_.truncated || lines_.torn();
  notes_.norm_tick = tick_.tick();
  if (gaps_.usual() > 1) notes_.averaged = fmt::format("loss over {} iterations", gaps_.usual());
  return false;
}

}  // namespace

Result<std::unique_ptr<ForeignLog>> megatron_log(std::unique_ptr<ByteSource> source,
                                                 const ImportOptions& options) {
  BALLAST_TRY(refuse_map(options, source->name()));
  BALLAST_TRY(refuse_run_name(options, source->name()));
  return std::make_unique<MegatronLog>(std::move(source));
}

// The arguments that are printed first may be longer than the head.
bool looks_like_megatron(std::string_view head) {
  if (head.find("-------- arguments --------") != std::string_view::npos) return true;
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find('\n'));
    head.remove_prefix(std::min(line.size() + 1, head.size()));
    const std::optional<MegatronHead> found = find_megatron_head(line);
    if (found && !found->cut && continues_megatron_record(line.substr(found->end))) return true;
  }
  return false;
}

}  // namespace ballast
