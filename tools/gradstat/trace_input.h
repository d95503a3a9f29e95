// What the verbs share about their input: the operands, what is known of logs that are not ours,
// damaged lines, and --fail-on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/cli/tool.h"
#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"

namespace ballast {

struct TraceInput {
  std::vector<std::string> paths;  // traces, run directories, logs of other trainers, "-": one run
  std::string path;                // the first of them; another value stands for itself alone
  std::string on_error = "fail";   // fail, skip
  bool layers = false;             // RunHistory::layers is wanted
  bool assume_per_step = false;

  // As they stand on the command line; log_options() makes ImportOptions of them.
  std::string format = "auto";
  std::vector<std::string> map;  // KEY=COLUMN
  std::string run_name;
  int64_t tokens_per_step = 0;     // 0: not given
  std::vector<std::string> marks;  // TOKENS:LABEL
  std::string norm = "pre";        // pre, post
};
enum class Operands {
  one,
  several,
  growing,  // one, read as it comes: nothing but its content says what it is
};
void add_trace_input(CLI::App& app, TraceInput& input, Operands operands = Operands::several);
// All of it but the operand, for verbs whose operands are several runs.
void add_log_options(CLI::App& app, TraceInput& input);
Result<ImportOptions> log_options(const TraceInput& input);

// The whole trace; kind insufficient when it has no step. Says on stderr what was passed over.
Result<RunHistory> load_trace(const TraceInput& input);

// -j, or one per core.
int threads_of(const CommonOptions& common);

// The trace record by record: `options` without what the command line says of damaged lines and of
// logs. Once next() gave false, say_what_was_passed_over() has something to say.
Result<std::unique_ptr<TraceReader>> open_trace(const TraceInput& input, TraceReadOptions options);
void say_what_was_passed_over(const TraceHealth& health, const std::vector<LogPart>& parts);

// Verdicts over windows of steps need every step: kind insufficient where the log has one record
// in so many, unless --assume-per-step says that its records may be taken for steps.
Result<void> require_per_step(const TraceInput& input, const TraceHealth& health);

// What --fail-on names.
struct FailOn {
  bool onset = false;
  bool persistent = false;
  bool nonfinite = false;
  bool drift = false;
  bool stall = false;
  bool any() const { return onset || persistent || nonfinite || drift || stall; }
};
CLI::Option* add_fail_on(CLI::App& app, std::vector<std::string>& words);
// Refuses by name what is not built, and `drift` and `stall` where no trace is followed.
Result<FailOn> parse_fail_on(const std::vector<std::string>& words, bool live);

// Exit code of a finished trace: 1 when something asked for was found, 7 when the Detector had too
// few steps to say (its `minimum`), 0 otherwise.
int fail_on_verdict(const FailOn& fail_on, const RunHistory& history,
                    const std::vector<RunIncident>& incidents,
                    int64_t minimum = DetectorSettings().minimum);
// The same where the steps that the Detector may judge were counted.
int fail_on_verdict(const FailOn& fail_on, int64_t judgeable,
                    const std::vector<RunIncident>& incidents,
                    int64_t minimum = DetectorSettings().minimum);

}  // namespace ballast
