// What the actions of `gradstat lr` work on: schedules as `pretrain` would run them, the tokens at
// which steps begin, and the rates and norms that a trace logged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/batch_schedule.h"
#include "libcore/optim/schedule.h"
#include "libcore/stats/lr_bound.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/xy_chart.h"

namespace ballast {

struct LrOptions {
  std::string action;
  TraceInput input;  // its path is empty without a trace
  bool has_trace() const { return !input.path.empty(); }
  std::vector<std::string> schedules;
  double lr = 0;  // peak; 0: not given
  std::string tokens, steps, to_tokens, to_steps;
  std::string batch_tokens;  // empty: the trace's, or 1
  double distance = 1, norm = 1;
  std::string way = "two-stage";
  std::string transition = "2%";
  int64_t points = 21;
  ChartOptions chart;
};

// Step by step from the first logged step to the last; what was not logged in between is as in the
// step logged before it.
struct LoggedSteps {
  std::vector<double> rates;  // of the update: 0 where it was skipped
  std::vector<double> norms;
  int64_t first_step = 0;
  int64_t filled = 0;  // steps without a record, or without a finite norm
  int64_t skipped = 0;
  bool has_rates = false, has_norms = false;
};

struct NamedSchedule {
  std::string name;  // as typed, or the run's
  Schedule schedule;
};

struct LrSetup {
  std::vector<NamedSchedule> schedules;  // may be empty with a trace: its logged rates count
  BatchSchedule batches;
  int64_t total_tokens = 0;
  double peak_lr = 0;  // 0: unknown
  std::optional<LoggedSteps> logged;
};

Result<LrSetup> set_up_lr(const LrOptions& options);

// The tokens at which the steps of a run of so many tokens begin, and its end.
Result<std::vector<int64_t>> step_borders(const BatchSchedule& batches, int64_t total_tokens);

// --to-tokens or --to-steps in tokens, or `fallback` without them.
Result<int64_t> target_tokens(const LrOptions& options, const LrSetup& setup, int64_t fallback);

// The schedule of --schedule text for a run of so many tokens.
Result<NamedSchedule> schedule_for(const std::string& text, const LrSetup& setup,
                                   int64_t total_tokens);

// `count` indices from 0 to size - 1, both included, ascending; all of them for count 0.
std::vector<size_t> spread(size_t size, int64_t count);

Result<int> lr_bound_action(const LrOptions& options, const CommonOptions& common);
Result<int> lr_transfer_action(const LrOptions& options, const CommonOptions& common);
Result<int> lr_extend_action(const LrOptions& options, const CommonOptions& common);

}  // namespace ballast
