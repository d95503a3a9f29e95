#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "libcore/cli/message.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct SpikesOptions {
  TraceInput input;
  std::string line = "all";
  std::vector<std::string> fail_on;
  IncidentSettings settings;
};

void add_classifier_options(CLI::App& app, ClassifierSettings& c) {
  const std::string group = "Classifier";
  const auto add = [&](const char* name, auto& value, const char* help) {
    app.add_option(name, value, help)
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber)
        ->group(group);
  };
  add("--window", c.window, "losses that make the baseline");
  add("--recent", c.recent, "its newest losses, which count alone while the curve falls");
  add("--falling-sigmas", c.falling_sigmas, "... so many scales under the window's median");
  add("--gap", c.gap, "steps between the baseline and the candidate");
  add("--mad-floor", c.mad_floor, "least scale, as a share of the baseline");
  add("--onset-sigmas", c.onset_sigmas, "onset: loss above baseline plus so many scales");
  add("--onset-votes", c.onset_votes, "... in so many steps");
  add("--onset-span", c.onset_span, "... of so many");
  add("--onset-ratio", c.onset_ratio, "onset: loss above so many baselines, once");
  add("--suppress", c.suppress, "steps after an event that moves the level without a verdict");
  add("--suppress-ratio", c.suppress_ratio, "... unless the loss is above so many baselines");
  add("--recovery-window", c.recovery_window, "losses whose median decides on recovery");
  add("--recovery-sigmas", c.recovery_sigmas, "recovered: median within so many scales");
  add("--recovery-limit", c.recovery_limit, "class 1: recovered within so many steps");
  add("--settle-begin", c.settle_begin, "classes 2 and 3 look from so many steps after the onset");
  add("--settle-end", c.settle_end, "... to so many");
  add("--lingering-sigmas", c.lingering_sigmas, "class 2: median above so many scales");
  add("--divergent-share", c.divergent_share, "class 3: median above this share of the rise");
  add("--lead-sigmas", c.lead_sigmas, "abnormal norm: log(norm) above so many scales");
  add("--lead-span", c.lead_span, "steps before the onset in which the norm may lead");
}

Result<void> check(const ClassifierSettings& c) {
  if (c.window < c.minimum || c.window > 100000)
    return usage_error("the window is out of range", "--window", "32 to 100000");
  if (c.recent < 8 || c.recent > c.window)
    return usage_error("the number is out of range", "--recent", "8 to --window");
  if (c.onset_span < 1 || c.onset_votes < 1 || c.onset_votes > c.onset_span)
    return usage_error("votes must be between 1 and the span", "--onset-votes");
  if (c.recovery_window < 1 || c.recovery_window > 10000)
    return usage_error("the window is out of range", "--recovery-window", "1 to 10000");
  if (c.settle_begin >= c.settle_end)
    return usage_error("the range is empty", "--settle-begin", "below --settle-end");
  return {};
}

std::string human(const std::vector<RunIncident>& incidents, const RunHistory& history) {
  if (incidents.empty()) return fmt::format("no incident in {} steps\n", history.rows.size());
  std::string text = incident_table(incidents);
  for (const RunIncident& i : incidents)
    if (i.classified && i.verdict.provisional)
      return text + "? provisional: fewer steps than --settle-end have been seen since the onset\n";
  return text;
}

Result<int> spikes(const SpikesOptions& options, const CommonOptions& common) {
  BALLAST_TRY(check(options.settings.classifier));
  const FailOn fail_on = BALLAST_TRY(parse_fail_on(options.fail_on, false));
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  std::vector<RunIncident> incidents = find_incidents(history, options.settings);
  if (options.line == "surviving")
    std::erase_if(incidents, [](const RunIncident& i) { return i.abandoned; });
  if (common.json) {
    for (const RunIncident& incident : incidents) print_out(to_json_line(to_json(incident)) + "\n");
  } else {
    print_out(human(incidents, history));
  }
  return fail_on_verdict(fail_on, history, incidents);
}

}  // namespace

VerbRun add_spikes(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<SpikesOptions>();
  add_trace_input(app, options->input);
  choice_option(app.add_option("--line", options->line,
                               "which steps count: all branches, or those that survived")
                    ->capture_default_str(),
                {"all", "surviving"});
  add_fail_on(app, options->fail_on);
  add_classifier_options(app, options->settings.classifier);
  return [options, &common] { return spikes(*options, common); };
}

}  // namespace ballast
