#include "tools/pretrain/planned_events.h"

#include <algorithm>
#include <utility>

namespace ballast {

Result<void> planned_event(RunLog& log, RunState& state, const std::string& name,
                           const std::string& reason, Json details) {
  BALLAST_TRY(log.event(state.counters().step + 1, name, reason, std::move(details)));
  if (restarts_statistics(name)) state.laws().restart_statistics();
  return {};
}

Result<void> announce_borders(RunLog& log, RunState& state, const RunConfig& config,
                              int64_t batch_tokens) {
  const TrainState& counters = state.counters();
  if (counters.step == 0) return {};
  const int64_t before = config.batches.batch_at(config.batches.tokens_before(counters.step - 1));
  if (before != batch_tokens)
    BALLAST_TRY(planned_event(log, state, "batch_size", "the batch schedule has a border here",
                              {{"from", before}, {"to", batch_tokens}}));
  const BatchSource& data = state.data();
  if (data.order().phases() < 2) return {};
  const int64_t last = data.order().phase_index(data.sample_of(counters.samples - 1));
  const int64_t next = data.order().phase_index(data.sample_of(counters.samples));
  if (last == next) return {};
  return planned_event(log, state, "phase", "a data phase begins here",
                       {{"from", last}, {"to", next}});
}

Result<void> announce_changes(RunLog& log, RunState& state, const RunConfig& config,
                              const std::vector<LawChange>& changes) {
  for (const LawChange& change : changes) {
    const bool redacted = !change.receipts.empty();
    const std::string reason = redacted                      ? "documents were redacted"
                               : config.typed.reason.empty() ? "appended"
                                                             : config.typed.reason;
    Json details = {{"key", change.key}, {"from", change.from}, {"to", change.to}};
    if (redacted) details["receipts"] = change.receipts;
    Json entry = {{"step", state.counters().step}};
    entry.update(details);
    entry["reason"] = redacted ? reason : config.typed.reason;
    BALLAST_TRY(log.journal("change", entry));
    BALLAST_TRY(planned_event(log, state, change.event, reason, details));
  }
  return {};
}

Result<void> announce_interventions(RunLog& log, RunState& state, const Interventions& before,
                                    const std::string& clip_before) {
  const Interventions now = state.laws().memory().interventions;
  const std::string clip_now = state.laws().clip_spec(), reason = "guard";
  if (now.lr_factor != before.lr_factor) {
    BALLAST_TRY(planned_event(log, state, "lr", reason,
                              {{"from", before.lr_factor}, {"to", now.lr_factor}}));
  }
  if (clip_now != clip_before) {
    BALLAST_TRY(
        planned_event(log, state, "clip", reason, {{"from", clip_before}, {"to", clip_now}}));
  }
  for (const DroppedSource& source : now.dropped) {
    if (std::ranges::find(before.dropped, source) != before.dropped.end()) continue;
    BALLAST_TRY(planned_event(
        log, state, "phase", reason,
        {{"source", source.source}, {"first_sample", source.first_sample}, {"to", 0.0}}));
  }
  return {};
}

}  // namespace ballast
