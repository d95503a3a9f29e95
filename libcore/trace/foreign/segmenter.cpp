#include "libcore/trace/foreign/segmenter.h"

#include <algorithm>
#include <cmath>

#include "libcore/base/version.h"
#include "libcore/trace/record.h"

namespace ballast {
namespace {

// The step after which a record stands: a step goes before its own number, the others after theirs.
int64_t step_before(const TraceRecord& record) {
  switch (record.type) {
    case RecordType::step:
      return record.step.step - 1;
    case RecordType::event:
      return record.event.step - 1;
    case RecordType::eval:
      return record.eval.step;
    case RecordType::run:
    case RecordType::other:
      break;
  }
  return -1;
}

int64_t time_of(const TraceRecord& record) {
  switch (record.type) {
    case RecordType::step:
      return record.step.time_us;
    case RecordType::event:
      return record.event.time_us;
    case RecordType::eval:
      return record.eval.time_us;
    case RecordType::run:
    case RecordType::other:
      break;
  }
  return 0;
}

constexpr size_t kMostWaiting = 1024;  // more are put where they are

// What goes back without being a step: the trainer started again from an earlier checkpoint, or a
// record was written late. The next step tells.
bool waits(const TraceRecord& record, int64_t last_step) {
  if (record.type == RecordType::eval) return record.eval.step < last_step;
  return record.type == RecordType::event && record.event.event == "resume" &&
         record.event.step <= last_step;
}

}  // namespace

void complete_step(StepRecord& step, const ImportOptions& options, bool from_zero) {
  if (step.tokens == 0 && options.tokens_per_step)
    step.tokens = (step.step + (from_zero ? 1 : 0)) * *options.tokens_per_step;
  if (options.norm_is_clipped && step.grad_norm) {
    step.grad_norm_clipped = step.grad_norm;
    step.grad_norm.reset();
  }
}

Result<void> refuse_for_ours(const ImportOptions& options, const std::string& name) {
  const bool says_nothing = options.map.empty() && options.run_name.empty() &&
                            !options.tokens_per_step && options.marks.empty() &&
                            !options.norm_is_clipped;
  if (says_nothing) return {};
  return usage_error("the trace is ours and says itself what its numbers are", name,
                     "--map, --run-name, --tokens-per-step, --mark and --norm are for other logs");
}

Segmenter::Segmenter(const ImportOptions& options) : options_(options) {
  marks_ = options.marks;
  std::stable_sort(marks_.begin(), marks_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
}

void Segmenter::begin_file(LogFormat format) {
  run_ = {};
  run_.details = Json{{"imported_from", std::string(format_name(format))}};
  run_.version = kVersion;
  if (!options_.run_name.empty()) run_.run = options_.run_name;
  open_ = false;
}

void Segmenter::take(TraceRecord& record, std::string& into) {
  if (record.type == RecordType::other) return;
  if (record.type == RecordType::run) {
    end_file(into);
    return take_run(record.run);
  }
  if (waits(record, last_step_)) {
    waiting_.push_back(std::move(record));
    if (waiting_.size() == kMostWaiting) end_file(into);
    return;
  }
  const bool begins = !open_ || (record.type == RecordType::step && record.step.step <= last_step_);
  std::vector<TraceRecord> first;  // of the segment that begins here
  if (record.type == RecordType::step || begins) first = settle(record, begins, into);
  if (begins) begin_segment(time_of(record), step_before(record), into);
  for (TraceRecord& waited : first) put(waited, into);
  put(record, into);
}

void Segmenter::end_file(std::string& into) {
  if (!waiting_.empty() && !open_)
    begin_segment(time_of(waiting_.front()), step_before(waiting_.front()), into);
  for (TraceRecord& waited : waiting_) put(waited, into);
  waiting_.clear();
}

// Of what waits that which stands on the line of `next`: where a segment begins, whatever is not
// later than it; the rest was only written late, and is put where it was.
std::vector<TraceRecord> Segmenter::settle(const TraceRecord& next, bool begins,
                                           std::string& into) {
  std::vector<TraceRecord> waiting, first;
  waiting.swap(waiting_);
  for (TraceRecord& waited : waiting) {
    if (begins && step_before(waited) <= step_before(next))
      first.push_back(std::move(waited));
    else
      put(waited, into);
  }
  return first;
}

void Segmenter::put(TraceRecord& record, std::string& into) {
  if (record.type == RecordType::step) {
    take_step(record.step, into);
  } else if (record.type == RecordType::event) {
    record.event.segment = segment_;
    append_record(into, record.event);
  } else {
    record.eval.segment = segment_;
    if (record.eval.tokens == 0 && options_.tokens_per_step)
      record.eval.tokens = record.eval.step * *options_.tokens_per_step;
    append_record(into, record.eval);
  }
}

// A log that speaks of its run again was started again: the next record begins a segment.
void Segmenter::take_run(const RunRecord& run) {
  const Json details = run_.details;
  const std::string version = run_.version;
  run_ = run;
  run_.version = version;
  if (!options_.run_name.empty()) run_.run = options_.run_name;
  if (!run_.details.is_object()) run_.details = Json::object();
  run_.details.update(details);
  open_ = false;
}

void Segmenter::begin_segment(int64_t time_us, int64_t parent_step, std::string& into) {
  run_.parent.reset();
  run_.parent_step.reset();
  if (segment_ >= 0) {
    run_.parent = segment_;
    run_.parent_step = std::max<int64_t>(0, std::min(parent_step, last_step_));
    last_step_ = *run_.parent_step;
  }
  run_.segment = ++segment_;
  run_.time_us = time_us;
  append_record(into, run_);
  open_ = true;
  replace_marks_ = true;
}

void Segmenter::take_step(StepRecord& step, std::string& into) {
  step.segment = segment_;
  if (last_step_ < 0 && segment_ == 0) from_zero_ = step.step == 0;
  complete_step(step, options_, from_zero_);
  put_marks(step, into);
  last_step_ = step.step;
  append_record(into, step);
}

// A mark stands before the step within which its token lies. Behind a segment's border those marks
// come again that lie behind it.
void Segmenter::put_marks(const StepRecord& step, std::string& into) {
  if (marks_.empty() || step.tokens <= 0) return;
  if (replace_marks_) {
    const int64_t batch = step.tokens / std::max<int64_t>(1, step.step);
    const int64_t before = std::max<int64_t>(0, step.tokens - batch);
    next_mark_ = 0;
    while (segment_ > 0 && next_mark_ < marks_.size() && marks_[next_mark_].first < before)
      ++next_mark_;
    replace_marks_ = false;
  }
  for (; next_mark_ < marks_.size() && marks_[next_mark_].first < step.tokens; ++next_mark_) {
    EventRecord note;
    note.segment = segment_;
    note.time_us = step.time_us;
    note.step = step.step;
    note.event = "note";
    note.reason = marks_[next_mark_].second;
    note.details = Json{{"mark_tokens", marks_[next_mark_].first}};
    append_record(into, note);
  }
}

}  // namespace ballast
