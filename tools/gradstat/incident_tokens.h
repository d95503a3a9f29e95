// What the shards of a run tell of its incidents: how rare the tokens of their batches were, and of
// which frequency. Only a run directory has them; elsewhere there is nothing to read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/guard/incidents.h"
#include "libcore/guard/token_evidence.h"
#include "libcore/provenance/run_data.h"
#include "libcore/provenance/token_counts.h"
#include "tools/gradstat/trace_input.h"

namespace ballast {

struct IncidentTokens {
  TokenEvidence evidence;
  std::string replaced;  // the fault whose tokens were fed instead; then nothing else is known
  // Shares of the tokens by frequency (TokenRarity::kClasses), of the incident's batches and of all
  // tokens before.
  std::vector<double> shares, usual_shares;
  bool exact = false;  // counts of the tokens before
  double tokens_before = 0;
};

class IncidentTokenReader {
 public:
  // nullptr where the shards cannot be read; why is said with -v. With `moved`, the places of
  // shards, it is an error.
  static Result<std::unique_ptr<IncidentTokenReader>> open(const std::string& run,
                                                           const std::vector<std::string>& moved);
  // Of the steps from the first abnormal one to the onset; nothing when these are not in the run or
  // too few batches come before.
  Result<std::optional<IncidentTokens>> read(const RunIncident& incident);

 private:
  explicit IncidentTokenReader(RunData run);
  RunData run_;
  TokenCounter counter_;
};

// Of each of the incidents of a run, where its shards can be read; nothing for the others.
Result<std::vector<std::optional<IncidentTokens>>> tokens_of_incidents(
    const TraceInput& input, const std::vector<std::string>& moved,
    const std::vector<RunIncident>& incidents);

// --data.
void add_shard_places(CLI::App& app, std::vector<std::string>& places);

}  // namespace ballast
