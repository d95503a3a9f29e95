#include <memory>

#include "libcore/guard/incident_stream.h"
#include "libcore/trace/surviving.h"
#include "tools/gradstat/overview.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct SummaryOptions {
  TraceInput input;
  std::vector<std::string> fail_on;
};

// The run row by row, in one go after the quick pass for its outline.
class Summary {
 public:
  explicit Summary(const TraceReader& reader)
      : line_(reader.outline().segments), incidents_(reader.outline(), {}) {}

  void take(const TraceRecord& record) {
    if (record.type == RecordType::run) overview_.take(record.run);
    if (record.type == RecordType::event) overview_.take(record.event);
    if (record.type == RecordType::eval) overview_.take(record.eval);
    if (record.type != RecordType::step) return;
    StepRow row = row_of(record.step);
    row.surviving = line_.holds(row.segment, row.step);
    any_ = true;
    order_.take(row.step, row.surviving);
    overview_.take(row);
    incidents_.take(row);
  }
  bool empty() const { return !any_; }
  void tell(TraceHealth& health) const { order_.tell(health); }
  Overview overview(const TraceHealth& health) { return overview_.finish(health); }
  std::vector<RunIncident> incidents() { return incidents_.finish(); }

 private:
  SurvivingLine line_;
  IncidentStream incidents_;
  OverviewBuilder overview_;
  LineHealth order_;
  bool any_ = false;
};

Result<int> summary(const SummaryOptions& options, const CommonOptions& common) {
  const FailOn fail_on = BALLAST_TRY(parse_fail_on(options.fail_on, false));
  TraceReadOptions read;
  read.view = TraceView::all;
  read.outline = true;
  read.fields = kFieldTime | kFieldTokens | kFieldLoss | kFieldNorm | kFieldClip | kFieldSkipped |
                kFieldSpeed;
  read.threads = threads_of(common);
  const std::unique_ptr<TraceReader> reader = BALLAST_TRY(open_trace(options.input, read));
  Summary summary(*reader);
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) summary.take(record);
  TraceHealth health = reader->health();
  summary.tell(health);
  say_what_was_passed_over(health, reader->parts());
  if (summary.empty()) return insufficient_error("the trace has no steps yet", reader->path());
  const Result<void> per_step = require_per_step(options.input, health);
  if (fail_on.any()) BALLAST_TRY(per_step);
  std::vector<RunIncident> incidents;
  if (per_step.ok()) incidents = summary.incidents();
  Overview overview = summary.overview(health);
  overview.judged = per_step.ok();
  print_out(common.json ? to_json_line(overview_json(overview, incidents)) + "\n"
                        : overview_text(overview, incidents));
  return fail_on_verdict(fail_on, overview.judgeable, incidents);
}

}  // namespace

VerbRun add_summary(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<SummaryOptions>();
  add_trace_input(app, options->input);
  add_fail_on(app, options->fail_on);
  return [options, &common] { return summary(*options, common); };
}

}  // namespace ballast
