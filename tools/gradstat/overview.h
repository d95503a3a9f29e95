// What a run did, as numbers: the content of `summary`, and the head of a report. Gathered row by
// row in memory that does not grow with the length of the run.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"
#include "libcore/io/json.h"
#include "libcore/stats/stream_quantiles.h"

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
  int64_t judgeable = 0;      // steps with a loss on the line that were not skipped
  int64_t interval = 1;       // steps from record to record
  double mean_factor = 0;     // of clipped steps
  double tokens_per_s = 0;    // median
  std::vector<std::pair<int64_t, std::string>> phases;  // step it began, name
  std::map<std::string, int64_t> events;
  std::vector<EvalRecord> evals;  // newest of each set
  std::vector<std::string> log_problems;
};

class OverviewBuilder {
 public:
  void take(const RunRecord& run);
  void take(const StepRow& row);  // of every branch, in file order; row.surviving is set
  void take(const EventRecord& event);
  void take(const EvalRecord& eval) { newest_eval_[eval.set] = eval; }
  Overview finish(const TraceHealth& health);

 private:
  struct Span {
    int64_t first = 0, last = 0;
  };
  void take_loss(const StepRow& row);
  void take_norm(const StepRow& row);
  void sum_branches();
  double autocorrelation() const;

  Overview o_;
  std::map<int64_t, Span> times_;  // by segment
  std::map<int64_t, Span> lost_;   // by segment: tokens of abandoned steps
  std::map<std::string, EvalRecord> newest_eval_;
  std::deque<double> last_losses_;
  // Of the changes of the loss from step to step: their sums, those of their squares and of the
  // products of neighbours, the first and the last.
  int64_t changes_ = 0;
  double sum_ = 0, squares_ = 0, products_ = 0, first_change_ = 0, last_change_ = 0;
  StreamQuantiles norms_, speeds_;
  double factors_ = 0;
};

Overview overview_of(const RunHistory& history);
std::string overview_text(const Overview& overview, const std::vector<RunIncident>& incidents);
Json overview_json(const Overview& overview, const std::vector<RunIncident>& incidents);

}  // namespace ballast
