// Taking forks (libcore/checkpoint/forks.h): skip ranges, interventions and the ladder change at
// the step that the journal names, whichever older state the way to it began at.
#include <fmt/format.h>

#include <algorithm>

#include "tools/pretrain/trainer.h"

namespace ballast {

// The leader reads what lies ahead; all ranks take it alike.
Result<void> Trainer::look_ahead() {
  const auto read = [&]() -> Result<Json> {
    const JournalContents journal = BALLAST_TRY(read_journal(fs_, config_.typed.run));
    Json list = Json::array();
    for (const Fork& fork : BALLAST_TRY(forks_ahead(journal, state_.step, memory_.last_fork)))
      list.push_back(to_json(fork));
    return list;
  };
  const Json ahead = BALLAST_TRY(world_.lead(read));
  forks_ahead_.clear();
  for (const Json& fork : ahead) forks_ahead_.push_back(BALLAST_TRY(fork_of(fork)));
  return {};
}

// The number of a segment that nobody has.
Result<int64_t> Trainer::free_segment() {
  const auto choose = [&]() -> Result<Json> {
    const JournalContents journal = BALLAST_TRY(read_journal(fs_, config_.typed.run));
    return Json(std::max(next_segment(journal), state_.segment + 1));
  };
  const Json segment = BALLAST_TRY(world_.lead(choose));
  return segment.get<int64_t>();
}

Result<void> Trainer::journal(const std::string& event, const Json& fields) {
  BALLAST_TRY(append_journal(fs_, config_.typed.run, event, fields));
  return {};
}

Result<void> Trainer::take_forks() {
  while (!forks_ahead_.empty() && forks_ahead_.front().step <= state_.step) {
    const Fork fork = forks_ahead_.front();
    forks_ahead_.erase(forks_ahead_.begin());
    BALLAST_TRY(take(fork));
  }
  return {};
}

Result<void> Trainer::take(const Fork& fork) {
  for (const SkipRange& range : fork.skip) add_skip_range(state_.skip_ranges, range);
  batches_->set_skip_ranges(state_.skip_ranges);
  BALLAST_TRY(config_.ladder.load(fork.ladder));
  memory_.last_fork = fork.seq;
  if (fork.interventions.is_null()) return {};
  const Interventions after = BALLAST_TRY(parse_interventions(fork.interventions));
  const Interventions before = memory_.interventions;
  if (after == before) return {};
  const std::string clip_before = clipper_->spec();
  BALLAST_TRY(intervene(after));
  const int64_t parent = state_.segment, segment = BALLAST_TRY(free_segment());
  BALLAST_TRY(journal("fork", {{"step", state_.step},
                               {"segment", segment},
                               {"reason", fmt::format("as line {} decided", fork.seq)}}));
  manifest_hash_.clear();
  BALLAST_TRY(start_segment(segment, true, parent, state_.step));
  return announce(before, clip_before);
}

// Puts the settings in force, without a word.
Result<void> Trainer::intervene(const Interventions& after) {
  const std::string spec = capped_strategy(config_.clip, after.clip_cap);
  if (spec != clipper_->spec()) {
    const Json state = clipper_->state();
    std::unique_ptr<Clipper> clipper = BALLAST_TRY(make_clipper(spec));
    // Statistics go on where the strategy has not changed its kind.
    if (state.value("kind", "") == clipper->state().value("kind", ""))
      BALLAST_TRY(clipper->load(state));
    clipper_ = std::move(clipper);
  }
  if (after.dropped != memory_.interventions.dropped) {
    batches_ =
        std::make_unique<BatchSource>(BALLAST_TRY(BatchSource::make(config_, after.dropped)));
    batches_->set_skip_ranges(state_.skip_ranges);
  }
  memory_.interventions = after;
  return {};
}

// What changed, as events of the segment that begins. Levels that move for good restart statistics.
Result<void> Trainer::announce(const Interventions& before, const std::string& clip_before) {
  const Interventions& now = memory_.interventions;
  const std::string reason = "guard";
  if (now.lr_factor != before.lr_factor) {
    BALLAST_TRY(planned_event("lr", reason, {{"from", before.lr_factor}, {"to", now.lr_factor}}));
  }
  if (clipper_->spec() != clip_before) {
    BALLAST_TRY(planned_event("clip", reason, {{"from", clip_before}, {"to", clipper_->spec()}}));
  }
  for (const DroppedSource& source : now.dropped) {
    if (std::ranges::find(before.dropped, source) != before.dropped.end()) continue;
    BALLAST_TRY(planned_event(
        "phase", reason,
        {{"source", source.source}, {"first_sample", source.first_sample}, {"to", 0.0}}));
  }
  return {};
}

// An event that takes effect with the next step. Where levels move for good, clipper and detector
// begin anew, as they do in a replay of the trace.
Result<void> Trainer::planned_event(const std::string& name, const std::string& reason,
                                    Json details) {
  BALLAST_TRY(event(state_.step + 1, name, reason, std::move(details)));
  if (!restarts_statistics(name)) return {};
  clipper_->on_event();
  detector_.on_event();
  return {};
}

}  // namespace ballast
