#include "tools/pretrain/fork_queue.h"

#include <fmt/format.h>

#include "tools/pretrain/planned_events.h"

namespace ballast {

ForkQueue::ForkQueue(World& world, RunState& state, RunLog& log)
    : world_(world), state_(state), log_(log) {}

Result<void> ForkQueue::look_ahead() {
  const auto read = [&]() -> Result<Json> {
    const JournalContents journal = BALLAST_TRY(log_.read());
    const int64_t last_taken = state_.laws().memory().last_fork;
    Json list = Json::array();
    for (const Fork& fork : BALLAST_TRY(forks_ahead(journal, state_.counters().step, last_taken)))
      list.push_back(to_json(fork));
    return list;
  };
  const Json ahead = BALLAST_TRY(world_.lead(read));
  ahead_.clear();
  for (const Json& fork : ahead) ahead_.push_back(BALLAST_TRY(fork_of(fork)));
  return {};
}

Result<void> ForkQueue::take_due() {
  while (!ahead_.empty() && ahead_.front().step <= state_.counters().step) {
    const Fork fork = ahead_.front();
    ahead_.pop_front();
    BALLAST_TRY(take(fork));
  }
  return {};
}

Result<void> ForkQueue::take(const Fork& fork) {
  Laws& laws = state_.laws();
  state_.add_skip_ranges(fork.skip);
  BALLAST_TRY(laws.ladder().load(fork.ladder));
  laws.memory().last_fork = fork.seq;
  if (fork.interventions.is_null()) return {};
  const Interventions after = BALLAST_TRY(parse_interventions(fork.interventions));
  const Interventions before = laws.memory().interventions;
  if (after == before) return {};
  const std::string clip_before = laws.clip_spec();
  BALLAST_TRY(state_.intervene(after));
  const int64_t parent = state_.counters().segment, segment = BALLAST_TRY(log_.free_segment());
  BALLAST_TRY(log_.journal("fork", {{"step", state_.counters().step},
                                    {"segment", segment},
                                    {"reason", fmt::format("as line {} decided", fork.seq)}}));
  BALLAST_TRY(log_.begin_segment({segment, parent, ""}));
  return announce_interventions(log_, state_, before, clip_before);
}

}  // namespace ballast
