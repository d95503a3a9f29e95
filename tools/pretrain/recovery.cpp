// What the guard does when the laws report an incident: it asks the ladder and carries the answer
// out. Every answer is in the journal before it has an effect.
#include <fmt/format.h>

#include <cmath>

#include "libcore/cli/message.h"
#include "tools/pretrain/trainer.h"

namespace ballast {
namespace {

// The gradient norm leads the loss by one to three steps, so the batches of these steps are suspect
// too.
constexpr int64_t kSuspectSteps = 3;

}  // namespace

Result<bool> Trainer::answer_incident(const StepWork& work, RunResult& result) {
  const Verdict& verdict = work.verdict;
  const bool nonfinite = verdict.nonfinite();
  const bool onset = verdict.loss.onset || verdict.loss.persistent;
  if (!nonfinite && !verdict.onset() && !onset) return false;

  Json details = {{"loss", json_number(work.loss)},
                  {"grad_norm", json_number(work.grad_norm)},
                  {"batch_start", batches_->sample_of(state_.samples - config_.batch_samples)}};
  if (!nonfinite) {
    details["channel"] = onset ? "loss" : "grad_norm";
    details["z"] = json_number(onset ? verdict.loss.z : verdict.norm.z);
  }
  const std::string kind = nonfinite                 ? "nonfinite loss or gradient norm"
                           : verdict.loss.persistent ? "loss stays above its baseline"
                           : onset                   ? "loss jumped above its baseline"
                                                     : "gradient norm jumped above its baseline";
  BALLAST_TRY(event(work.step, nonfinite ? "nan" : "spike", kind, details));
  progress_.clear();
  // A norm alone is the clipper's business; it is recorded and training goes on.
  if (config_.ladder.off() || (!nonfinite && !onset)) {
    print_verbose(fmt::format("step {}: {}", work.step, kind));
    return false;
  }
  const Rung rung = config_.ladder.next(work.step);
  print_warning(fmt::format("step {}: {}; answer {}: {}", work.step, kind,
                            config_.ladder.attempts(), rung.text()));
  if (rung.kind == RungKind::stop) {
    BALLAST_TRY(append_journal(
        fs_, config_.typed.run, "guard-stop",
        {{"step", work.step}, {"reason", kind}, {"ladder", config_.ladder.state()}}));
    result.exit_code = kExitGuard;
    result.reason = "the guard's ladder is exhausted at step " + std::to_string(work.step);
    return false;
  }
  if (rung.kind == RungKind::replay && nonfinite) return repeat_step(work);
  return roll_back(work, rung);
}

// The update of a non-finite step was never applied, so the state before it still stands: counters
// go back by one step and the same batch is computed again.
Result<bool> Trainer::repeat_step(const StepWork& work) {
  const int64_t parent = state_.segment;
  const JournalContents journal = BALLAST_TRY(read_journal(fs_, config_.typed.run));
  const int64_t segment = std::max(next_segment(journal), parent + 1);
  BALLAST_TRY(append_journal(fs_, config_.typed.run, "replay",
                             {{"step", work.step},
                              {"segment", segment},
                              {"reason", "nonfinite"},
                              {"ladder", config_.ladder.state()}}));
  BALLAST_TRY(event(work.step, "rerun", "the step is repeated with the same data"));
  detector_ = detector_before_;  // the step is judged once, or a jump seen with the NaN is lost
  state_.step -= 1;
  state_.samples -= config_.batch_samples;
  state_.tokens -= config_.batch_tokens;
  manifest_hash_.clear();
  BALLAST_TRY(start_segment(segment, true, parent, state_.step));
  return true;
}

// Counted back from the end of the onset's batch in samples of this line, so that a line which has
// skipped before is counted right; never into what the parent has consumed, which no skip undoes.
SkipRange Trainer::suspicious_samples(int64_t batches, int64_t parent_step) const {
  const int64_t first = std::max(parent_step * config_.batch_samples,
                                 state_.samples - (kSuspectSteps + 1) * config_.batch_samples);
  const int64_t last = first + batches * config_.batch_samples - 1;
  return {batches_->sample_of(first), batches_->sample_of(last) + 1};
}

// The newest checkpoint that is old enough. With none that old the oldest one before the incident
// serves: a shorter way back beats none.
Result<int64_t> Trainer::parent_step(const StepWork& work, const Rung& rung) const {
  const int64_t margin =
      rung.kind == RungKind::rollback ? std::max(rung.steps, kLeadSteps) : kLeadSteps;
  int64_t oldest = -1, newest = -1;
  for (const CheckpointEntry& entry : BALLAST_TRY(list_checkpoints(fs_, config_.typed.run))) {
    if (!entry.complete || entry.step >= work.step) continue;
    if (oldest < 0) oldest = entry.step;
    if (entry.step <= work.step - margin) newest = entry.step;
  }
  return newest >= 0 ? newest : oldest;
}

// By the leader: what the run goes on from.
Result<Json> Trainer::move_back(const StepWork& work, const Rung& rung) {
  const std::string& run = config_.typed.run;
  const int64_t back_to = BALLAST_TRY(parent_step(work, rung));
  // What this line has passed over stays passed over, also from an older parent on.
  std::vector<SkipRange> skip = state_.skip_ranges;
  if (rung.skip_batches > 0) add_skip_range(skip, suspicious_samples(rung.skip_batches, back_to));
  const RollbackPlan plan = BALLAST_TRY(plan_rollback(fs_, run, back_to, skip));
  const int64_t from = state_.segment;
  const std::string reason =
      fmt::format("guard: {} after an incident at step {}", rung.text(), work.step);
  BALLAST_TRY(event(work.step, rung.skip_batches > 0 ? "skip" : "rollback", reason,
                    {{"to_step", plan.parent.step}, {"from_segment", from}}));
  BALLAST_TRY(trace_->sync());
  BALLAST_TRY(execute_rollback(
      fs_, run, plan, reason,
      {{"by", "guard"}, {"onset", work.step}, {"ladder", config_.ladder.state()}}));
  Json skips = Json::array();
  for (const SkipRange& range : plan.skip_all)
    skips.push_back(Json::array({range.begin, range.end}));
  return Json{{"checkpoint", plan.parent.path},
              {"skip", std::move(skips)},
              {"segment", plan.segment},
              {"parent", plan.parent_segment}};
}

Result<bool> Trainer::roll_back(const StepWork& work, const Rung& rung) {
  const Json plan = BALLAST_TRY(world_.lead([&] { return move_back(work, rung); }));
  CheckpointRef parent;
  parent.path = plan.at("checkpoint").get<std::string>();
  BALLAST_TRY(world_.agree(load(parent)));
  state_.skip_ranges.clear();
  for (const Json& range : plan.at("skip"))
    state_.skip_ranges.push_back({range[0].get<int64_t>(), range[1].get<int64_t>()});
  batches_->set_skip_ranges(state_.skip_ranges);
  const auto segment = plan.at("segment").get<int64_t>();
  BALLAST_TRY(append_journal(fs_, config_.typed.run, "resume",
                             {{"step", state_.step}, {"segment", segment}, {"reason", "guard"}}));
  BALLAST_TRY(start_segment(segment, true, plan.at("parent").get<int64_t>(), state_.step));
  return true;
}

}  // namespace ballast
