#include <memory>

#include "tools/gradstat/overview.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct SummaryOptions {
  TraceInput input;
  std::vector<std::string> fail_on;
};

Result<int> summary(const SummaryOptions& options, const CommonOptions& common) {
  const FailOn fail_on = BALLAST_TRY(parse_fail_on(options.fail_on, false));
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  const Result<void> per_step = require_per_step(options.input, history.health);
  if (fail_on.any()) BALLAST_TRY(per_step);
  std::vector<RunIncident> incidents;
  if (per_step.ok()) incidents = find_incidents(history);
  Overview overview = overview_of(history);
  overview.judged = per_step.ok();
  print_out(common.json ? to_json_line(overview_json(overview, incidents)) + "\n"
                        : overview_text(overview, incidents));
  return fail_on_verdict(fail_on, history, incidents);
}

}  // namespace

VerbRun add_summary(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<SummaryOptions>();
  add_trace_input(app, options->input);
  add_fail_on(app, options->fail_on);
  return [options, &common] { return summary(*options, common); };
}

}  // namespace ballast
