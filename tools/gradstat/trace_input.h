// What the verbs share about their input: the operand, damaged lines, and --fail-on.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/cli/tool.h"
#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"

namespace ballast {

struct TraceInput {
  std::string path;               // a trace, a run directory or "-"
  std::string on_error = "fail";  // fail, skip
  bool layers = false;            // RunHistory::layers is wanted
};
void add_trace_input(CLI::App& app, TraceInput& input);

// The whole trace; kind insufficient when it has no step. Says on stderr how many lines were
// passed over.
Result<RunHistory> load_trace(const TraceInput& input);

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

}  // namespace ballast
