#include "libcore/guard/history.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/trace/surviving.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

float narrow(const std::optional<double>& value) {
  return static_cast<float>(value.value_or(kNone));
}

// Sources are few, and come in the same order from step to step.
void add_sources(RunHistory& history, const StepRecord& step) {
  size_t guess = 0;
  for (const auto& [name, loss] : step.source_loss) {
    if (guess >= history.sources.size() || history.sources[guess] != name)
      guess = static_cast<size_t>(std::find(history.sources.begin(), history.sources.end(), name) -
                                  history.sources.begin());
    if (guess == history.sources.size()) history.sources.push_back(name);
    history.source_losses.push_back(
        {history.rows.size() - 1, static_cast<int32_t>(guess++), static_cast<float>(loss)});
  }
}

// The largest (or smallest) number of an array; NaN where there is none.
double extreme(const Json& object, const char* key, bool largest) {
  double found = kNone;
  const auto values = object.find(key);
  if (values == object.end() || !values->is_array()) return found;
  for (const Json& value : *values) {
    const Result<double> number = number_of(value, key);
    if (!number.ok()) continue;
    found = largest ? std::fmax(found, number.value()) : std::fmin(found, number.value());
  }
  return found;
}

LayersRow layers_row(int64_t segment, const OtherRecord& record) {
  return {segment, *record.step, extreme(record.object, "attn_logit_max", true),
          extreme(record.object, "attn_entropy_min", false)};
}

LayerValues layer_values_of(const OtherRecord& record) {
  LayerValues row;
  row.segment = record.segment;
  row.step = *record.step;
  for (const auto& [key, values] : record.object.items()) {
    if (!values.is_array() || values.empty()) continue;
    std::vector<double>& numbers = row.values.emplace_back(key, std::vector<double>()).second;
    for (const Json& value : values) {
      const Result<double> number = number_of(value, key);
      numbers.push_back(number.ok() ? number.value() : kNone);
    }
  }
  return row;
}

void mark_rows(RunHistory& history) {
  mark_surviving(history.segments);
  const SurvivingLine line(history.segments);
  LineHealth order;
  for (StepRow& row : history.rows) {
    row.surviving = line.holds(row.segment, row.step);
    order.take(row.step, row.surviving);
  }
  order.tell(history.health);
}

}  // namespace

StepRow row_of(const StepRecord& step) {
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
  row.batch_start = step.batch_start.value_or(-1);
  row.param_norm = narrow(step.param_norm);
  row.v_norm = narrow(step.v_norm);
  row.update_rms = narrow(step.update_rms);
  row.loss_max_rank = narrow(step.loss_max_rank);
  row.has_loss = step.loss.has_value();
  row.has_norm = step.grad_norm.has_value();
  row.skipped = step.skipped;
  return row;
}

void LineHealth::take(int64_t step, bool surviving) {
  if (!surviving) {
    ++hidden_;
    return;
  }
  if (last_ >= 0 && step <= last_) ++repeated_;
  if (last_ >= 0 && step > last_) intervals_.add(step - last_);
  last_ = step;
}

void LineHealth::tell(TraceHealth& health) const {
  health.hidden_steps = hidden_;
  health.repeated_steps = repeated_;
  health.interval = intervals_.usual();
  health.missing_steps = intervals_.missing();
}

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

Result<RunHistory> load_history(FileSystem& fs, const std::string& path, bool skip_bad_lines,
                                bool keep_layers) {
  TraceReadOptions options;
  options.skip_bad_lines = skip_bad_lines;
  return load_history(fs, std::span(&path, 1), options, keep_layers);
}

Result<RunHistory> load_history(FileSystem& fs, std::span<const std::string> operands,
                                const TraceReadOptions& given, bool keep_layers) {
  TraceReadOptions options = given;
  options.view = TraceView::all;
  options.fields = kAllFields;
  options.steps_only = false;
  const std::unique_ptr<TraceReader> reader = BALLAST_TRY(TraceReader::open(fs, operands, options));
  RunHistory history;
  history.path = reader->path();
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) {
    if (record.type == RecordType::step) {
      history.rows.push_back(row_of(record.step));
      add_sources(history, record.step);
    }
    if (record.type == RecordType::event) history.events.push_back(record.event);
    if (record.type == RecordType::eval) history.evals.push_back(record.eval);
    if (record.type == RecordType::other && record.other.type == "layers" && record.other.step) {
      history.layers.push_back(layers_row(record.segment, record.other));
      if (keep_layers) history.layer_values.push_back(layer_values_of(record.other));
    }
    if (record.type != RecordType::run) continue;
    history.segments.push_back(segment_of(record.run));
    history.runs.push_back(record.run);
  }
  history.health = reader->health();
  history.parts = reader->parts();
  mark_rows(history);
  return history;
}

}  // namespace ballast
