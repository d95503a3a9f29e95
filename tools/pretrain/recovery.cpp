// What the guard does when the laws report an incident: it asks the ladder and carries the answer
// out. Every answer is in the journal before it has an effect.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/cli/message.h"
#include "tools/pretrain/trainer.h"

namespace ballast {
namespace {

// The gradient norm leads the loss by one to three steps, so the batches of these steps are suspect
// too.
constexpr int64_t kSuspectSteps = 3;

std::string kind_text(const Verdict& verdict, bool onset) {
  return verdict.nonfinite()       ? "nonfinite loss or gradient norm"
         : verdict.loss.persistent ? "loss stays above its baseline"
         : onset                   ? "loss jumped above its baseline"
                                   : "gradient norm jumped above its baseline";
}

}  // namespace

// Records what the laws saw. An alarm when somebody has to answer: a norm alone is the clipper's
// business, and what happens during a wait is what the wait is for.
Result<std::optional<Alarm>> Trainer::raise_alarm(const StepWork& work) {
  const Verdict& verdict = work.verdict;
  const bool nonfinite = verdict.nonfinite();
  const bool onset = verdict.loss.onset || verdict.loss.persistent;
  if (verdict.norm.onset) memory_.warn(work.step);
  if (!nonfinite && !verdict.onset() && !onset) return std::optional<Alarm>();

  Json details = {{"loss", json_number(work.loss)},
                  {"grad_norm", json_number(work.grad_norm)},
                  {"batch_start", batches_->sample_of(state_.samples - work.batch_samples)}};
  if (!work.rerun.empty()) details["rerun"] = work.rerun;
  if (!nonfinite) {
    details["channel"] = onset ? "loss" : "grad_norm";
    details["z"] = json_number(onset ? verdict.loss.z : verdict.norm.z);
  }
  const Json worst = BALLAST_TRY(worst_sequences());
  for (const auto& [key, value] : worst.items()) details[key] = value;
  const std::string kind = kind_text(verdict, onset);
  BALLAST_TRY(event(work.step, nonfinite ? "nan" : "spike", kind, details));
  BALLAST_TRY(write_kept_layers());
  progress_.clear();
  if (config_.ladder.off() || (!nonfinite && !onset)) {
    print_verbose(fmt::format("step {}: {}", work.step, kind));
    return std::optional<Alarm>();
  }
  Alarm alarm;
  alarm.kind = nonfinite ? IncidentKind::nonfinite : IncidentKind::jump;
  alarm.onset = work.step;
  if (verdict.loss.persistent) alarm.onset -= detector_.settings().persistent_steps - 1;
  alarm.samples = config_.samples_before(alarm.onset);
  alarm.warning = nonfinite ? alarm.onset : memory_.warning_of(alarm.onset);
  if (verdict.loss.tested && !nonfinite)
    alarm.limit = verdict.loss.baseline + 2 * verdict.loss.scale;
  if (memory_.wait.active() && memory_.wait.alarm().kind == alarm.kind)
    return std::optional<Alarm>();
  return std::optional(alarm);
}

// The alarm of a wait that ended with the loss still up.
std::optional<Alarm> Trainer::end_wait(const StepWork& work) {
  if (!memory_.wait.active() || work.valid == 0) return std::nullopt;
  const Alarm alarm = memory_.wait.alarm();
  const double loss = work.verdict.nonfinite() ? std::nan("") : work.loss;
  const Wait::Outcome outcome = memory_.wait.observe(work.step, loss);
  if (outcome == Wait::Outcome::recovered) {
    print_note(fmt::format("step {}: the loss is back after the incident at step {}", work.step,
                           alarm.onset));
  }
  return outcome == Wait::Outcome::failed ? std::optional(alarm) : std::nullopt;
}

Result<bool> Trainer::answer_incident(const StepWork& work, RunResult& result) {
  const Wait wait = memory_.wait;
  std::optional<Alarm> alarm = BALLAST_TRY(raise_alarm(work));
  if (const std::optional<Alarm> waited = end_wait(work); waited && !alarm) alarm = waited;
  if (!alarm) return false;
  memory_.wait.end();
  Rung rung = config_.ladder.next(alarm->kind, alarm->onset);
  while (rung.kind == RungKind::drop_source && !suspicious_source()) {
    print_warning(fmt::format("step {}: no source of data can be dropped", work.step));
    rung = config_.ladder.next(alarm->kind, alarm->onset);
  }
  print_warning(fmt::format("step {}: incident at step {}; answer {}: {}", work.step, alarm->onset,
                            config_.ladder.attempts(alarm->kind), rung.text()));
  switch (rung.kind) {
    case RungKind::stop:
      BALLAST_TRY(journal("guard-stop", {{"step", work.step},
                                         {"reason", "the ladder is exhausted"},
                                         {"ladder", config_.ladder.state()}}));
      result.exit_code = kExitGuard;
      result.reason = "the guard's ladder is exhausted at step " + std::to_string(work.step);
      return false;
    case RungKind::wait:
      BALLAST_TRY(begin_wait(*alarm, rung));
      return false;
    case RungKind::replay:
      // The update of a non-finite step was never applied.
      if (alarm->kind == IncidentKind::nonfinite && alarm->onset == work.step) {
        memory_.wait = wait;  // for another incident it goes on as if the step had not been
        return repeat_step(work);
      }
      return go_back(*alarm, rung);
    default:
      return go_back(*alarm, rung);
  }
}

// drop-update: the step's update was dropped when the laws decided; nothing else changes.
Result<void> Trainer::begin_wait(const Alarm& alarm, const Rung& rung) {
  memory_.wait.begin(alarm, rung.steps);
  BALLAST_TRY(journal("wait", {{"step", alarm.onset},
                               {"until", memory_.wait.until()},
                               {"reason", "guard: " + rung.text()},
                               {"ladder", config_.ladder.state()}}));
  return event(alarm.onset, "skip", "this step's update only; the loss is looked at again",
               {{"action", "drop-update"}, {"until", memory_.wait.until()}});
}

// The update of a non-finite step was never applied, so the state before it still stands: counters
// go back by one step and the same batch is computed again.
Result<bool> Trainer::repeat_step(const StepWork& work) {
  const int64_t parent = state_.segment;
  const int64_t segment = BALLAST_TRY(free_segment());
  BALLAST_TRY(journal("replay", {{"step", work.step},
                                 {"segment", segment},
                                 {"reason", "nonfinite"},
                                 {"ladder", config_.ladder.state()},
                                 {"interventions", interventions_json(memory_.interventions)}}));
  BALLAST_TRY(event(work.step, "rerun", "the step is repeated with the same data"));
  detector_ = detector_before_;  // the step is judged once, or a jump seen with the NaN is lost
  state_.step -= 1;
  state_.samples -= work.batch_samples;
  state_.tokens -= work.batch_tokens;
  manifest_hash_.clear();
  BALLAST_TRY(start_segment(segment, true, parent, state_.step));
  return true;
}

// Where a recovery goes back to: the newest state, on disk or in memory, that is old enough. With
// none that old the oldest checkpoint serves: a shorter way back beats none.
Result<WayBack> Trainer::way_back(const Alarm& alarm, const Rung& rung) const {
  const int64_t margin =
      rung.kind == RungKind::rollback ? std::max(rung.steps, kLeadSteps) : kLeadSteps;
  const int64_t fork = std::max<int64_t>(0, std::min(alarm.onset - margin, alarm.warning - 1));
  int64_t oldest = -1, newest = -1;
  for (const CheckpointEntry& entry : BALLAST_TRY(list_checkpoints(fs_, config_.typed.run))) {
    if (!entry.complete || entry.step >= alarm.onset) continue;
    if (oldest < 0) oldest = entry.step;
    if (entry.step <= fork) newest = entry.step;
  }
  if (const int64_t snapshot = snapshots_.newest(fork); snapshot > newest)
    return WayBack{fork, snapshot, true};
  const int64_t parent = newest >= 0 ? newest : oldest;
  return WayBack{std::max(fork, parent), parent, false};
}

// Counted back from the end of the onset's batch in samples of this line, so that a line which has
// skipped before is counted right; never into what is consumed at the fork, which no skip undoes.
// An earlier warning of the norm makes the range longer.
SkipRange Trainer::suspicious_samples(const Alarm& alarm, int64_t batches, int64_t fork) const {
  const int64_t lead = std::max(kSuspectSteps, alarm.onset - alarm.warning);
  const int64_t count = batches + lead - kSuspectSteps;
  const int64_t first_step = std::max(fork, alarm.onset - (lead + 1));
  const int64_t first = config_.samples_before(first_step);
  const int64_t last = config_.samples_before(first_step + count) - 1;
  return {batches_->sample_of(first), batches_->sample_of(last) + 1};
}

// The source whose loss stands furthest above its running mean, as long as another one is left.
std::optional<size_t> Trainer::suspicious_source() const {
  std::optional<size_t> worst;
  double most = -std::numeric_limits<double>::infinity();
  size_t left = 0;
  for (size_t s = 0; s < config_.sources.size(); ++s) {
    if (!(config_.sources[s].weight > 0) || is_dropped(config_.sources[s].name)) continue;
    ++left;
    const double loss = s < source_loss_.size() ? source_loss_[s] : std::nan("");
    const double mean = s < memory_.source_loss.size() ? memory_.source_loss[s] : std::nan("");
    const double above = std::isinf(loss) ? loss : loss - mean;
    if (!worst || above > most) {
      worst = s;
      most = std::isnan(above) ? most : above;
    }
  }
  return left > 1 ? worst : std::nullopt;
}

bool Trainer::is_dropped(const std::string& source) const {
  return std::ranges::any_of(memory_.interventions.dropped, [&](const DroppedSource& dropped) {
    return dropped.source == source;
  });
}

// What the rung changes from the fork on.
Interventions Trainer::interventions_after(const Rung& rung, int64_t fork) const {
  Interventions after = memory_.interventions;
  if (rung.kind == RungKind::lr) after.lr_factor *= rung.value;
  if (rung.kind == RungKind::clip)
    after.clip_cap = after.clip_cap > 0 ? std::min(after.clip_cap, rung.value) : rung.value;
  if (rung.kind == RungKind::drop_source) {
    const int64_t consumed = config_.samples_before(fork);
    const std::string& name = config_.sources[*suspicious_source()].name;
    after.dropped.push_back({name, batches_->sample_of(consumed)});
    std::ranges::stable_sort(after.dropped, {}, &DroppedSource::first_sample);
  }
  return after;
}

// restore+skip and its kin: back to a state from before the first warning, then other data, other
// settings, or the same again. From the state loaded, the run goes towards the fork.
Result<bool> Trainer::go_back(const Alarm& alarm, const Rung& rung) {
  const Json plan = BALLAST_TRY(world_.lead([&] { return move_back(alarm, rung); }));
  const auto step = plan.at("step").get<int64_t>();
  layers_.clear();  // of the branch that is left
  if (plan.contains("checkpoint")) {
    CheckpointRef parent;
    parent.path = plan.at("checkpoint").get<std::string>();
    BALLAST_TRY(world_.agree(load(parent)));
    snapshots_.forget_after(step);
  } else {
    BALLAST_TRY(
        world_.agree(adopt_state(snapshots_.restore(*backend_, step, kept_tensors(buffers_)))));
    model_->prepare_weights();
    manifest_hash_.clear();
    last_saved_step_ = -1;  // what was saved later has moved
  }
  const auto segment = plan.at("segment").get<int64_t>();
  BALLAST_TRY(journal("resume", {{"step", step}, {"segment", segment}, {"reason", "guard"}}));
  BALLAST_TRY(look_ahead());
  BALLAST_TRY(start_segment(segment, true, plan.value("parent", state_.segment), step));
  BALLAST_TRY(take_forks());
  return true;
}

// By the leader: says in trace and journal where the run goes back to, and moves what lies after.
Result<Json> Trainer::move_back(const Alarm& alarm, const Rung& rung) {
  const WayBack way = BALLAST_TRY(way_back(alarm, rung));
  // What this line has passed over stays passed over, also from an older state on.
  std::vector<SkipRange> skip = state_.skip_ranges;
  if (rung.skip_batches > 0)
    add_skip_range(skip, suspicious_samples(alarm, rung.skip_batches, way.fork));
  const Interventions after = interventions_after(rung, way.fork);
  const std::string reason =
      fmt::format("guard: {} after an incident at step {}", rung.text(), alarm.onset);
  const Json details = {{"by", "guard"},
                        {"onset", alarm.onset},
                        {"fork", way.fork},
                        {"ladder", config_.ladder.state()},
                        {"interventions", interventions_json(after)}};
  const std::string name = rung.skip_batches > 0 ? "skip" : way.in_memory ? "restore" : "rollback";
  const double lost = seconds_after(way.state);
  Json account = {{"action", rung.skip_batches > 0 ? "restore+skip" : rung.text()},
                  {"from", way.in_memory ? "memory" : "checkpoint"},
                  {"to_step", way.state},
                  {"from_segment", state_.segment},
                  {"lost_steps", state_.step - way.state},
                  {"lost_ms", lost * 1e3}};
  if (config_.typed.cost_per_hour > 0) account["cost"] = lost / 3600 * config_.typed.cost_per_hour;
  BALLAST_TRY(event(state_.step, name, reason, account));
  BALLAST_TRY(trace_->sync());
  return commit(way, skip, reason, details);
}

Result<Json> Trainer::commit(const WayBack& way, const std::vector<SkipRange>& skip,
                             const std::string& reason, const Json& details) {
  const std::string& run = config_.typed.run;
  if (!way.in_memory) {
    const RollbackPlan plan = BALLAST_TRY(plan_rollback(fs_, run, way.state, skip));
    BALLAST_TRY(execute_rollback(fs_, run, plan, reason, details));
    return Json{{"checkpoint", plan.parent.path},
                {"step", plan.parent.step},
                {"segment", plan.segment},
                {"parent", plan.parent_segment}};
  }
  const JournalContents contents = BALLAST_TRY(read_journal(fs_, run));
  const int64_t segment = std::max(next_segment(contents), state_.segment + 1);
  BALLAST_TRY(
      execute_restore(fs_, run, {way.state, segment, state_.segment, skip}, reason, details));
  return Json{{"step", way.state}, {"segment", segment}};
}

}  // namespace ballast
