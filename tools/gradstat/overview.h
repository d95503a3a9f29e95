// What a run did, as numbers: the content of `summary`, and the head of a report.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"
#include "libcore/io/json.h"

namespace ballast {

struct Overview {
  RunRecord run;  // of the newest segment; empty when the trace has none
  bool has_run = false;
  int64_t segments = 0;
  int64_t first_step = 0, last_step = 0;
  int64_t steps = 0, skipped = 0, abandoned = 0;
  int64_t tokens = 0;            // consumed on the surviving line
  int64_t tokens_abandoned = 0;  // on branches that were left
  double wall_seconds = 0;       // within segments, pauses between them left out
  double first_loss = 0, last_loss = 0, lowest_loss = 0;  // last: median of the last 20
  int64_t lowest_loss_step = -1;
  double loss_autocorrelation = 0;  // lag 1, of step-to-step changes
  double norm_median = 0, norm_p99 = 0, norm_max = 0;
  int64_t norm_max_step = -1;
  int64_t norms = 0, clips = 0;
  int64_t clipped_norms = 0;  // steps whose norm after clipping was logged
  bool judged = true;         // incidents were looked for
  int64_t interval = 1;       // steps from record to record
  double mean_factor = 0;     // of clipped steps
  double tokens_per_s = 0;    // median
  std::vector<std::pair<int64_t, std::string>> phases;  // step it began, name
  std::map<std::string, int64_t> events;
  std::vector<EvalRecord> evals;  // newest of each set
  std::vector<std::string> log_problems;
};

Overview overview_of(const RunHistory& history);
std::string overview_text(const Overview& overview, const std::vector<RunIncident>& incidents);
Json overview_json(const Overview& overview, const std::vector<RunIncident>& incidents);

}  // namespace ballast
