#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "libcore/cli/message.h"
#include "libcore/guard/diagnosis.h"
#include "libcore/stats/spike_scores.h"
#include "tools/gradstat/diagnosis_text.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/incident_tokens.h"
#include "tools/gradstat/score_table.h"
#include "tools/gradstat/spike_settings.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct SpikesOptions {
  TraceInput input;
  std::string line = "all";
  std::vector<std::string> fail_on;
  bool diagnose = false;
  bool scores = false;
  std::vector<std::string> data;
  IncidentSettings settings;
};

// The rules of other projects, over the line that survived.
SpikeScores scores_of(const RunHistory& history) {
  SpikeScores scores;
  for (const size_t i : history.surviving_line()) {
    const StepRow& row = history.rows[i];
    scores.observe(row.step, row.loss, row.norm);
  }
  return scores;
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
  BALLAST_TRY(check_spike_settings(options.settings));
  const FailOn fail_on = BALLAST_TRY(parse_fail_on(options.fail_on, false));
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  BALLAST_TRY(require_per_step(options.input, history.health));
  const std::vector<RunIncident> all = find_incidents(history, options.settings);
  std::vector<RunIncident> incidents = all;
  if (options.line == "surviving")
    std::erase_if(incidents, [](const RunIncident& i) { return i.abandoned; });
  std::optional<Diagnoser> diagnoser;  // branches that were left are evidence
  std::vector<std::optional<IncidentTokens>> tokens(incidents.size());
  if (options.diagnose) {
    diagnoser.emplace(history, all);
    tokens = BALLAST_TRY(tokens_of_incidents(options.input, options.data, incidents));
  }
  const auto diagnosis_of = [&](size_t i) {
    return diagnoser->diagnose(incidents[i], tokens[i] ? tokens[i]->evidence : TokenEvidence());
  };
  if (common.json) {
    for (size_t i = 0; i < incidents.size(); ++i) {
      Json json = to_json(incidents[i]);
      if (diagnoser) json["diagnosis"] = to_json(diagnosis_of(i));
      print_out(to_json_line(json) + "\n");
    }
    if (options.scores) print_out(to_json_line(scores_json(scores_of(history))) + "\n");
  } else {
    const SpikeScores scores = scores_of(history);
    print_out(human(incidents, history));
    for (size_t i = 0; i < incidents.size(); ++i)
      if (diagnoser) print_out(diagnosis_text(incidents[i], diagnosis_of(i)));
    print_out(options.scores ? scores_table(scores) : scores_line(scores));
  }
  return fail_on_verdict(fail_on, history, incidents, options.settings.detector.minimum);
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
  app.add_flag("--diagnose", options->diagnose,
               "weigh what may have caused each incident, with the evidence");
  add_shard_places(app, options->data);
  app.add_flag("--scores", options->scores,
               "what the rules of OLMo 2, OLMo-core, llm.c and a rule of thumb say of the run, as "
               "a table, or as a last JSON object");
  app.add_option("--cost-per-hour", options->settings.cost_per_hour,
                 "price of an hour of the whole job, where the trace has none")
      ->check(CLI::NonNegativeNumber);
  add_spike_settings(app, options->settings);
  return [options, &common] { return spikes(*options, common); };
}

}  // namespace ballast
