#include "tools/pretrain/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/checkpoint/rollback.h"
#include "libcore/cli/message.h"
#include "tools/pretrain/changes.h"
#include "tools/pretrain/worst_sequences.h"

namespace ballast {
namespace {

// A norm alone is the clipper's business.
bool loss_onset(const Verdict& verdict) { return verdict.loss.onset || verdict.loss.persistent; }

std::string kind_text(const Verdict& verdict, bool onset) {
  return verdict.nonfinite()       ? "nonfinite loss or gradient norm"
         : verdict.loss.persistent ? "loss stays above its baseline"
         : onset                   ? "loss jumped above its baseline"
                                   : "gradient norm jumped above its baseline";
}

}  // namespace

Guard::Guard(World& world, const RunConfig& config, Engine& engine, RunState& state, RunLog& log,
             LayerRecorder& layers, CheckpointKeeper& keeper, ForkQueue& forks,
             const RunClock& clock)
    : world_(world),
      fs_(world.files()),
      config_(config),
      engine_(engine),
      state_(state),
      log_(log),
      layers_(layers),
      keeper_(keeper),
      forks_(forks),
      clock_(clock),
      snapshots_(state.laws().guarded() ? config.typed.snapshot_every : 0) {}

void Guard::keep_snapshot() {
  const int64_t step = state_.counters().step;
  if (step == config_.total_steps || !snapshots_.due(step)) return;
  snapshots_.take(engine_.backend(), state_.collect(), kept_tensors(engine_.buffers()));
}

Result<Answer> Guard::answer(const StepWork& work) {
  source_loss_ = work.losses.by_source;
  Wait& wait = state_.laws().memory().wait;
  const Wait wait_before = wait;
  std::optional<Alarm> alarm = BALLAST_TRY(raise_alarm(work));
  if (const std::optional<Alarm> waited = end_wait(work); waited && !alarm) alarm = waited;
  if (!alarm) return Answer::none;
  wait.end();
  const Rung rung = ask_ladder(work, *alarm);
  if (rung.kind == RungKind::stop) {
    BALLAST_TRY(log_.journal("guard-stop", {{"step", work.step},
                                            {"reason", "the ladder is exhausted"},
                                            {"ladder", state_.laws().ladder().state()}}));
    return Answer::stop;
  }
  if (rung.kind == RungKind::wait) {
    BALLAST_TRY(begin_wait(*alarm, rung));
    return Answer::none;
  }
  // The update of a non-finite step was never applied, so there is nowhere to go back to.
  const bool repeat = rung.kind == RungKind::replay && alarm->kind == IncidentKind::nonfinite &&
                      alarm->onset == work.step;
  if (repeat) {
    wait = wait_before;  // for another incident it goes on as if the step had not been
    BALLAST_TRY(repeat_step(work));
  } else {
    BALLAST_TRY(go_back(*alarm, rung));
  }
  return Answer::elsewhere;
}

// Records what the laws saw. An alarm when somebody has to answer: what happens during a wait is
// what the wait is for.
Result<std::optional<Alarm>> Guard::raise_alarm(const StepWork& work) {
  const Verdict& verdict = work.verdict;
  GuardMemory& memory = state_.laws().memory();
  const bool onset = loss_onset(verdict);
  if (verdict.norm.onset) memory.warn(work.step);
  if (!verdict.nonfinite() && !verdict.onset() && !onset) return std::optional<Alarm>();
  BALLAST_TRY(report(work, onset));
  if (!state_.laws().guarded() || (!verdict.nonfinite() && !onset)) {
    print_verbose(fmt::format("step {}: {}", work.step, kind_text(verdict, onset)));
    return std::optional<Alarm>();
  }
  const Alarm alarm = make_alarm(work);
  if (memory.wait.active() && memory.wait.alarm().kind == alarm.kind) return std::optional<Alarm>();
  return std::optional(alarm);
}

Result<void> Guard::report(const StepWork& work, bool onset) {
  const Verdict& verdict = work.verdict;
  const bool nonfinite = verdict.nonfinite();
  const int64_t first = state_.counters().samples - work.batch_samples;
  Json details = {{"loss", json_number(work.losses.loss)},
                  {"grad_norm", json_number(work.grad_norm)},
                  {"batch_start", state_.data().sample_of(first)}};
  if (!work.rerun.empty()) details["rerun"] = work.rerun;
  if (!nonfinite) {
    details["channel"] = onset ? "loss" : "grad_norm";
    details["z"] = json_number(onset ? verdict.loss.z : verdict.norm.z);
  }
  const Json worst = worst_sequences(world_, state_.data(), first, work.losses.by_sequence);
  for (const auto& [key, value] : worst.items()) details[key] = value;
  BALLAST_TRY(
      log_.event(work.step, nonfinite ? "nan" : "spike", kind_text(verdict, onset), details));
  return layers_.write_kept();
}

Alarm Guard::make_alarm(const StepWork& work) const {
  const Verdict& verdict = work.verdict;
  const bool nonfinite = verdict.nonfinite();
  Alarm alarm;
  alarm.kind = nonfinite ? IncidentKind::nonfinite : IncidentKind::jump;
  alarm.onset = work.step;
  if (verdict.loss.persistent) alarm.onset -= verdict.loss.above_steps - 1;
  alarm.samples = config_.samples_before(alarm.onset);
  alarm.warning = nonfinite ? alarm.onset : state_.laws().memory().warning_of(alarm.onset);
  if (verdict.loss.tested && !nonfinite)
    alarm.limit = verdict.loss.frozen_baseline + 2 * verdict.loss.frozen_scale;
  return alarm;
}

// The alarm of a wait that ended with the loss still up.
std::optional<Alarm> Guard::end_wait(const StepWork& work) {
  Wait& wait = state_.laws().memory().wait;
  if (!wait.active() || work.valid == 0) return std::nullopt;
  const Alarm alarm = wait.alarm();
  const double loss = work.verdict.nonfinite() ? std::nan("") : work.losses.loss;
  const Wait::Outcome outcome = wait.observe(work.step, loss);
  if (outcome == Wait::Outcome::recovered) {
    print_note(fmt::format("step {}: the loss is back after the incident at step {}", work.step,
                           alarm.onset));
  }
  return outcome == Wait::Outcome::failed ? std::optional(alarm) : std::nullopt;
}

Rung Guard::ask_ladder(const StepWork& work, const Alarm& alarm) {
  Ladder& ladder = state_.laws().ladder();
  Rung rung = ladder.next(alarm.kind, alarm.onset);
  while (rung.kind == RungKind::drop_source && !source_to_drop()) {
    print_warning(fmt::format("step {}: no source of data can be dropped", work.step));
    rung = ladder.next(alarm.kind, alarm.onset);
  }
  print_warning(fmt::format("step {}: incident at step {}; answer {}: {}", work.step, alarm.onset,
                            ladder.attempts(alarm.kind), rung.text()));
  return rung;
}

// drop-update: the step's update was dropped when the laws decided; nothing else changes.
Result<void> Guard::begin_wait(const Alarm& alarm, const Rung& rung) {
  Laws& laws = state_.laws();
  Wait& wait = laws.memory().wait;
  wait.begin(alarm, rung.steps);
  BALLAST_TRY(log_.journal("wait", {{"step", alarm.onset},
                                    {"until", wait.until()},
                                    {"reason", "guard: " + rung.text()},
                                    {"ladder", laws.ladder().state()}}));
  return log_.event(alarm.onset, "skip", "this step's update only; the loss is looked at again",
                    {{"action", "drop-update"}, {"until", wait.until()}});
}

// The state before the step still stands: counters go back by one step and the same batch is
// computed again.
Result<void> Guard::repeat_step(const StepWork& work) {
  const Laws& laws = state_.laws();
  const int64_t parent = state_.counters().segment, segment = BALLAST_TRY(log_.free_segment());
  BALLAST_TRY(
      log_.journal("replay", {{"step", work.step},
                              {"segment", segment},
                              {"reason", "nonfinite"},
                              {"ladder", laws.ladder().state()},
                              {"interventions", interventions_json(laws.memory().interventions)}}));
  BALLAST_TRY(log_.event(work.step, "rerun", "the step is repeated with the same data"));
  state_.step_back(work);
  return log_.begin_segment({segment, parent, ""});
}

std::optional<size_t> Guard::source_to_drop() const {
  const GuardMemory& memory = state_.laws().memory();
  const std::vector<DroppedSource>& dropped = memory.interventions.dropped;
  std::vector<bool> candidates;
  for (const SourceConfig& source : config_.sources)
    candidates.push_back(source.weight > 0 &&
                         std::ranges::find(dropped, source.name, &DroppedSource::source) ==
                             dropped.end());
  return suspicious_source(candidates, source_loss_, memory.source_loss);
}

// What the rung changes from the fork on.
Interventions Guard::interventions_after(const Rung& rung, int64_t fork) const {
  Interventions after = state_.laws().memory().interventions;
  if (rung.kind == RungKind::lr) after.lr_factor *= rung.value;
  if (rung.kind == RungKind::clip)
    after.clip_cap = after.clip_cap > 0 ? std::min(after.clip_cap, rung.value) : rung.value;
  if (rung.kind == RungKind::drop_source) {
    const int64_t consumed = config_.samples_before(fork);
    const std::string& name = config_.sources[*source_to_drop()].name;
    after.dropped.push_back({name, state_.data().sample_of(consumed)});
    std::ranges::stable_sort(after.dropped, {}, &DroppedSource::first_sample);
  }
  return after;
}

// restore+skip and its kin: back to a state from before the first warning, then other data, other
// settings, or the same again. From the state loaded, the run goes towards the fork.
Result<void> Guard::go_back(const Alarm& alarm, const Rung& rung) {
  const Json plan = BALLAST_TRY(world_.lead([&] { return move_back(alarm, rung); }));
  layers_.forget();
  const std::string checkpoint = BALLAST_TRY(world_.agree(load_state(plan)));
  const auto segment = plan.at("segment").get<int64_t>();
  const int64_t step = state_.counters().step;
  BALLAST_TRY(log_.journal("resume", {{"step", step}, {"segment", segment}, {"reason", "guard"}}));
  BALLAST_TRY(forks_.look_ahead());
  const int64_t parent = plan.value("parent", state_.counters().segment);
  BALLAST_TRY(log_.begin_segment({segment, parent, checkpoint}));
  return forks_.take_due();
}

// The hash of the checkpoint's manifest; empty: from memory.
Result<std::string> Guard::load_state(const Json& plan) {
  const auto step = plan.at("step").get<int64_t>();
  if (plan.contains("checkpoint")) {
    const auto admit = [&](const TrainState& stored) -> Result<void> {
      const JournalContents journal = BALLAST_TRY(log_.read());
      BALLAST_TRY(law_changes(config_, stored, journal));
      return {};
    };
    std::string hash = BALLAST_TRY(keeper_.load(plan.at("checkpoint").get<std::string>(), admit));
    snapshots_.forget_after(step);
    return hash;
  }
  BALLAST_TRY(
      state_.adopt(snapshots_.restore(engine_.backend(), step, kept_tensors(engine_.buffers()))));
  engine_.model().prepare_weights();
  keeper_.forget_last();  // what was saved later has moved
  return std::string();
}

// By the leader: says in trace and journal where the run goes back to, and moves what lies after.
Result<Json> Guard::move_back(const Alarm& alarm, const Rung& rung) {
  const WayBack way = BALLAST_TRY(way_back(alarm, rung));
  // What this line has passed over stays passed over, also from an older state on.
  std::vector<SkipRange> skip = state_.counters().skip_ranges;
  if (rung.skip_batches > 0) {
    const StepRange steps = suspicious_steps(alarm, rung.skip_batches, way.fork);
    const int64_t last = config_.samples_before(steps.end) - 1;
    add_skip_range(skip, {state_.data().sample_of(config_.samples_before(steps.begin)),
                          state_.data().sample_of(last) + 1});
  }
  const std::string reason =
      fmt::format("guard: {} after an incident at step {}", rung.text(), alarm.onset);
  const Json details = {{"by", "guard"},
                        {"onset", alarm.onset},
                        {"fork", way.fork},
                        {"ladder", state_.laws().ladder().state()},
                        {"interventions", interventions_json(interventions_after(rung, way.fork))}};
  BALLAST_TRY(announce(way, rung, reason));
  return commit(way, skip, reason, details);
}

Result<WayBack> Guard::way_back(const Alarm& alarm, const Rung& rung) const {
  std::vector<int64_t> checkpoints;
  for (const CheckpointEntry& entry : BALLAST_TRY(list_checkpoints(fs_, config_.typed.run)))
    if (entry.complete) checkpoints.push_back(entry.step);
  return choose_way_back(alarm, rung, checkpoints, snapshots_.newest(fork_step(alarm, rung)));
}

// What is thrown away, and what it cost.
Result<void> Guard::announce(const WayBack& way, const Rung& rung, const std::string& reason) {
  const bool skips = rung.skip_batches > 0;
  const int64_t step = state_.counters().step;
  const double lost = clock_.seconds_after(way.state);
  Json account = {{"action", skips ? "restore+skip" : rung.text()},
                  {"from", way.in_memory ? "memory" : "checkpoint"},
                  {"to_step", way.state},
                  {"from_segment", state_.counters().segment},
                  {"lost_steps", step - way.state},
                  {"lost_ms", lost * 1e3}};
  if (config_.typed.cost_per_hour > 0) account["cost"] = lost / 3600 * config_.typed.cost_per_hour;
  const std::string name = skips ? "skip" : way.in_memory ? "restore" : "rollback";
  BALLAST_TRY(log_.event(step, name, reason, account));
  return log_.sync();
}

Result<Json> Guard::commit(const WayBack& way, const std::vector<SkipRange>& skip,
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
  const JournalContents contents = BALLAST_TRY(log_.read());
  const int64_t here = state_.counters().segment;
  const int64_t segment = std::max(next_segment(contents), here + 1);
  BALLAST_TRY(execute_restore(fs_, run, {way.state, segment, here, skip}, reason, details));
  return Json{{"step", way.state}, {"segment", segment}};
}

}  // namespace ballast
