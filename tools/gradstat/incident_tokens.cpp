#include "tools/gradstat/incident_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/message.h"
#include "libcore/data/token_rarity.h"
#include "libcore/trace/reader.h"

namespace ballast {
namespace {

constexpr int64_t kBefore = 200;                 // steps, as other evidence
constexpr int64_t kMostRead = int64_t{1} << 26;  // tokens of an incident and the batches before it

// Steps of the line to `last`, ascending.
std::vector<const StepBatch*> line_before(const RunData& run, const StepBatch& last) {
  const auto line = run.line_to(last.segment, last.step);
  std::vector<const StepBatch*> steps;
  for (const StepBatch& step : run.steps()) {
    const auto end = line.find(step.segment);
    if (end != line.end() && step.step <= end->second) steps.push_back(&step);
  }
  return steps;
}

// So many that all fit into what may be read: every k-th.
std::vector<const StepBatch*> thinned(const std::vector<const StepBatch*>& steps, int64_t tokens) {
  const int64_t room = std::max<int64_t>(1, kMostRead / std::max<int64_t>(1, tokens));
  const auto count = static_cast<int64_t>(steps.size());
  const int64_t stride = std::max<int64_t>(1, (count + room - 1) / room);
  std::vector<const StepBatch*> kept;
  for (int64_t i = 0; i < count; i += stride) kept.push_back(steps[static_cast<size_t>(i)]);
  return kept;
}

}  // namespace

IncidentTokenReader::IncidentTokenReader(RunData run)
    : run_(std::move(run)), counter_(posix_file_system(), CountKind::automatic) {}

Result<std::unique_ptr<IncidentTokenReader>> IncidentTokenReader::open(
    const std::string& run, const std::vector<std::string>& moved) {
  FileSystem& fs = posix_file_system();
  const auto without = [&](const std::string& why) {
    print_verbose("the tokens of incidents are not looked at: " + why);
    return Result<std::unique_ptr<IncidentTokenReader>>(nullptr);
  };
  if (run == "-" || trace_path_of(fs, run) == run) {
    if (!moved.empty()) return usage_error("--data needs a run directory", run);
    return without("not a run directory: " + run);
  }
  auto data = RunData::open(fs, run, moved);
  if (!data.ok() && !moved.empty()) return data.take_error();
  if (!data.ok()) return without(data.error().message());
  for (const RunSource& source : data->sources())
    if (!source.same) return without(source.prefix + " is not as the run was trained on it");
  return std::unique_ptr<IncidentTokenReader>(new IncidentTokenReader(data.take_value()));
}

Result<std::optional<IncidentTokens>> IncidentTokenReader::read(const RunIncident& incident) {
  const std::optional<IncidentTokens> nothing;
  std::optional<int64_t> segment;
  if (incident.abandoned) segment = incident.segment;
  const StepBatch* onset = run_.find_step(incident.onset, segment);
  if (onset == nullptr) return nothing;
  std::vector<const StepBatch*> before, own;
  for (const StepBatch* step : line_before(run_, *onset)) {
    if (step->step >= incident.first)
      own.push_back(step);
    else if (step->step >= incident.first - kBefore && !step->skipped)
      before.push_back(step);
  }
  if (own.empty()) return nothing;
  IncidentTokens tokens;
  for (const StepBatch* step : own) {
    tokens.replaced = run_.notes(*step).replaced;
    if (!tokens.replaced.empty()) return std::optional(tokens);
  }
  const TokenCounts& counts = *BALLAST_TRY(counter_.before(run_, *own.front()));
  std::vector<BatchSurprisal> past, here;
  for (const StepBatch* step : thinned(before, onset->samples * run_.seq_len()))
    past.push_back(BALLAST_TRY(surprisal_of(run_, *step, counts, true)));
  const TokenRarity rarity(counts.of);
  std::vector<double> times(counts.of.size(), 0);
  for (const StepBatch* step : thinned(own, onset->samples * run_.seq_len())) {
    here.push_back(BALLAST_TRY(surprisal_of(run_, *step, counts, false)));
    const std::vector<int64_t> batch = BALLAST_TRY(count_batch(run_, *step));
    for (size_t id = 0; id < times.size(); ++id) times[id] += static_cast<double>(batch[id]);
  }
  tokens.evidence = token_evidence(here, past);
  tokens.shares = rarity.shares_by_class(times);
  tokens.usual_shares = rarity.shares_by_class(counts.of);
  tokens.exact = counts.exact;
  tokens.tokens_before = counts.total;
  return std::optional(std::move(tokens));
}

Result<std::vector<std::optional<IncidentTokens>>> tokens_of_incidents(
    const TraceInput& input, const std::vector<std::string>& moved,
    const std::vector<RunIncident>& incidents) {
  std::vector<std::optional<IncidentTokens>> all(incidents.size());
  if (incidents.empty()) return all;
  const auto reader =
      BALLAST_TRY(IncidentTokenReader::open(input.paths.size() > 1 ? "-" : input.path, moved));
  for (size_t i = 0; reader != nullptr && i < incidents.size(); ++i)
    all[i] = BALLAST_TRY(reader->read(incidents[i]));
  return all;
}

void add_shard_places(CLI::App& app, std::vector<std::string>& places) {
  path_option(app.add_option("--data", places,
                             "where a shard of the run is now, for the rarity of the batches' "
                             "tokens: PREFIX, or NAME=PREFIX"));
}

}  // namespace ballast
