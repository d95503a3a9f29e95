#include "libcore/guard/history.h"

#include <algorithm>
#include <limits>

#include "libcore/trace/surviving.h"

namespace ballast {
namespace {

StepRow row_of(const StepRecord& step) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  StepRow row;
  row.segment = step.segment;
  row.step = step.step;
  row.time_us = step.time_us;
  row.tokens = step.tokens;
  row.samples = step.samples;
  row.loss = step.loss.value_or(kNone);
  row.norm = step.grad_norm.value_or(kNone);
  row.norm_clipped = step.grad_norm_clipped.value_or(kNone);
  row.threshold = step.clip_threshold.value_or(kNone);
  row.lr = step.lr.value_or(kNone);
  row.tokens_per_s = step.tokens_per_s.value_or(kNone);
  row.step_ms = step.step_ms.value_or(kNone);
  row.has_loss = step.loss.has_value();
  row.has_norm = step.grad_norm.has_value();
  row.skipped = step.skipped;
  return row;
}

void mark_rows(RunHistory& history) {
  mark_surviving(history.segments);
  const SurvivingLine line(history.segments);
  for (StepRow& row : history.rows) {
    row.surviving = line.holds(row.segment, row.step);
    if (!row.surviving) ++history.health.hidden_steps;
  }
  int64_t last = -1;
  history.health.missing_steps = history.health.repeated_steps = 0;
  for (const size_t i : history.surviving_line()) {
    const int64_t step = history.rows[i].step;
    if (last >= 0 && step <= last) ++history.health.repeated_steps;
    if (last >= 0 && step > last + 1) history.health.missing_steps += step - last - 1;
    last = step;
  }
}

}  // namespace

std::vector<size_t> RunHistory::surviving_line() const {
  std::vector<size_t> line;
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i].surviving) line.push_back(i);
  return line;
}

std::vector<size_t> RunHistory::line_of(size_t index) const {
  std::vector<Segment> until(segments.begin(),
                             segments.begin() + static_cast<std::ptrdiff_t>(index) + 1);
  mark_surviving(until);
  const SurvivingLine holds(until);
  std::vector<size_t> line;
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool known = std::any_of(until.begin(), until.end(), [&](const Segment& segment) {
      return segment.id == rows[i].segment;
    });
    if (known && holds.holds(rows[i].segment, rows[i].step)) line.push_back(i);
  }
  return line;
}

Result<RunHistory> load_history(FileSystem& fs, const std::string& path, bool skip_bad_lines) {
  TraceReadOptions options;
  options.view = TraceView::all;
  options.skip_bad_lines = skip_bad_lines;
  options.fields = kAllFields & ~uint64_t{kFieldRest};
  const std::unique_ptr<TraceReader> reader = BALLAST_TRY(TraceReader::open(fs, path, options));
  RunHistory history;
  history.path = reader->path();
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) {
    if (record.type == RecordType::step) history.rows.push_back(row_of(record.step));
    if (record.type == RecordType::event) history.events.push_back(record.event);
    if (record.type == RecordType::eval) history.evals.push_back(record.eval);
    if (record.type == RecordType::other && record.other.type == "layers" && record.other.step)
      history.layer_records.emplace_back(record.segment, *record.other.step);
    if (record.type != RecordType::run) continue;
    Segment segment;
    segment.id = record.run.segment;
    segment.parent = record.run.parent;
    segment.parent_step = record.run.parent_step;
    history.segments.push_back(segment);
    history.runs.push_back(record.run);
  }
  history.health = reader->health();
  mark_rows(history);
  return history;
}

}  // namespace ballast
