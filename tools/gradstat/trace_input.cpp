#include "tools/gradstat/trace_input.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/message.h"

namespace ballast {

void add_trace_input(CLI::App& app, TraceInput& input) {
  path_option(app.add_option("trace", input.path, "a trace, a run directory, or - for stdin"))
      ->required();
  choice_option(app.add_option("--on-error", input.on_error,
                               "what a damaged line does: fail, or skip it and count it")
                    ->capture_default_str(),
                {"fail", "skip"});
}

Result<RunHistory> load_trace(const TraceInput& input) {
  RunHistory history = BALLAST_TRY(
      load_history(posix_file_system(), input.path, input.on_error == "skip", input.layers));
  if (history.health.bad_lines > 0)
    print_warning(fmt::format("{} damaged lines were skipped, the first is {}:{}: {}",
                              history.health.bad_lines, history.path, history.health.first_bad_line,
                              history.health.first_bad_reason));
  if (history.rows.empty()) return insufficient_error("the trace has no steps yet", history.path);
  return history;
}

CLI::Option* add_fail_on(CLI::App& app, std::vector<std::string>& words) {
  return app
      .add_option("--fail-on", words,
                  "exit 1 when one of these was seen: onset, persistent, nonfinite")
      ->delimiter(',');
}

Result<FailOn> parse_fail_on(const std::vector<std::string>& words, bool live) {
  FailOn fail_on;
  for (const std::string& word : words) {
    if (word == "onset") {
      fail_on.onset = true;
    } else if (word == "persistent") {
      fail_on.persistent = true;
    } else if (word == "nonfinite") {
      fail_on.nonfinite = true;
    } else if (word == "drift" && live) {
      fail_on.drift = true;
    } else if (word == "stall" && live) {
      fail_on.stall = true;
    } else {
      return usage_error(
          fmt::format("'{}' is not built", word), "--fail-on",
          live ? "onset, persistent, nonfinite, drift, stall" : "onset, persistent, nonfinite");
    }
  }
  return fail_on;
}

int fail_on_verdict(const FailOn& fail_on, const RunHistory& history,
                    const std::vector<RunIncident>& incidents, int64_t minimum) {
  if (!fail_on.any()) return kExitDone;
  for (const RunIncident& incident : incidents) {
    const bool onset = incident.detected >= 0 || incident.classified;
    if ((fail_on.onset && onset) || (fail_on.persistent && incident.persistent) ||
        (fail_on.nonfinite && incident.nonfinite))
      return kExitNo;
  }
  const auto tested = std::count_if(history.rows.begin(), history.rows.end(), [](const StepRow& r) {
    return r.surviving && r.has_loss && !r.skipped;
  });
  const bool needs_level = fail_on.onset || fail_on.persistent;
  if (needs_level && tested <= minimum) {
    print_warning(fmt::format("{} steps with a loss are too few for a verdict (more than {})",
                              tested, minimum));
    return kExitInsufficient;
  }
  return kExitDone;
}

}  // namespace ballast
