#include "tools/pretrain/trainer.h"

#include <fmt/format.h>

#include "libcore/cli/message.h"
#include "tools/pretrain/gradient_norms.h"
#include "tools/pretrain/planned_events.h"
#include "tools/pretrain/rehearse.h"
#include "tools/pretrain/step_record.h"

namespace ballast {
namespace {

// What the bits of a run depend on besides its law; stands in every checkpoint.
Json environment(World& world, const RunConfig& config) {
  return {{"backend", world.backend().description()},
          {"ranks", world.size()},
          {"sums", world.comm().sums()},
          {"deterministic", config.typed.deterministic}};
}

}  // namespace

Trainer::Trainer(World& world, const RunConfig& config, std::unique_ptr<RunState> state)
    : world_(world),
      config_(config),
      state_(std::move(state)),
      engine_(world, config, clock_),
      optimizer_(world, config, engine_, clock_),
      log_(world, config, *state_),
      layers_(engine_.layer_stats(), config.typed.layers_every, log_),
      requests_(world, config, clock_, log_),
      meter_(world, config, engine_, *state_, requests_, clock_),
      faults_(world, config, engine_, log_),
      verifier_(world, config, engine_, *state_, log_),
      keeper_(world, config, engine_, *state_, log_, clock_),
      forks_(world, *state_, log_),
      guard_(world, config, engine_, *state_, log_, layers_, keeper_, forks_, clock_),
      evaluator_(world, config, engine_, *state_, requests_, log_),
      progress_(config, clock_, world.leads()) {}

Result<std::unique_ptr<Trainer>> Trainer::open(World& world, const RunConfig& config) {
  BALLAST_TRY(world.agree(config.check_ranks(world.size())));
  std::unique_ptr<RunState> state =
      BALLAST_TRY(world.agree(RunState::make(config, environment(world, config))));
  std::unique_ptr<Trainer> trainer(new Trainer(world, config, std::move(state)));
  trainer->rehearse_step();
  BALLAST_TRY(trainer->share_product_choices());
  BALLAST_TRY(trainer->begin());
  return trainer;
}

// ---- how a run begins -----------------------------------------------------------------------

void Trainer::rehearse_step() {
  rehearse(Rehearsal::Kind::real, {world_.backend(), config_, engine_.buffers(), engine_.model(),
                                   engine_.layer_stats(), optimizer_.shard()});
}

// Replicas multiply alike, whatever each has measured. A checkpoint's choices take precedence.
Result<void> Trainer::share_product_choices() {
  if (world_.alone()) return {};
  const auto choices = [&]() -> Result<Json> { return Json(product_choices(world_.backend())); };
  const Json shared = BALLAST_TRY(world_.lead(choices));
  take_product_choices(world_.backend(), shared.get<std::string>());
  return {};
}

Result<void> Trainer::begin() {
  const auto plan_by_leader = [&]() -> Result<Json> {
    BALLAST_TRY(take_run());
    return to_json(BALLAST_TRY(plan_start(world_.files(), config_)));
  };
  const StartPlan plan = start_plan_of(BALLAST_TRY(world_.lead(plan_by_leader)));
  std::vector<LawChange> changes;
  const std::string checkpoint = BALLAST_TRY(world_.agree(load(plan, changes)));
  BALLAST_TRY(world_.agree(faults_.restore()));
  finished_ = state_->counters().step >= config_.total_steps;
  if (plan.resumes()) {
    const auto ask = [&]() -> Result<Json> {
      return Json(BALLAST_TRY(evaluator_.missing(state_->counters().step)));
    };
    const Json owed = BALLAST_TRY(world_.lead(ask));
    evaluation_owed_ = owed.get<bool>();
  }
  if (finished_ && !evaluation_owed_) return {};
  BALLAST_TRY(start_log(plan, checkpoint));
  return plan.resumes() ? continue_run(plan, changes) : start_run(checkpoint);
}

// By the leader: from here on the run is this process's.
Result<void> Trainer::take_run() {
  FileSystem& fs = world_.files();
  BALLAST_TRY(fs.make_directories(join_path(config_.typed.run, "control")));
  lease_.emplace(BALLAST_TRY(Lease::acquire(fs, config_.typed.run, "pretrain")));
  log_.set_holder(lease_->holder());
  return {};
}

// The state to go on from. The hash of the checkpoint that it came from; empty: none.
Result<std::string> Trainer::load(const StartPlan& plan, std::vector<LawChange>& changes) {
  if (plan.resumes()) {
    const auto admit = [&](const TrainState& stored) -> Result<void> {
      const JournalContents journal = BALLAST_TRY(log_.read());
      changes = BALLAST_TRY(law_changes(config_, stored, journal));
      return {};
    };
    std::string checkpoint = BALLAST_TRY(keeper_.load(plan.checkpoint, admit));
    state_->add_skip_ranges(plan.skip);
    return checkpoint;
  }
  if (!config_.typed.accept_data.empty())
    return usage_error("--accept-data: there is nothing to resume", config_.typed.run);
  if (config_.branch) return load_branch();
  if (!config_.typed.changes.empty())
    return usage_error("--change: there is nothing to resume", config_.typed.run);
  engine_.initialise();
  return std::string();
}

// Weights, moments, counters, and the laws' states where the laws are the same.
Result<std::string> Trainer::load_branch() {
  if (!config_.branch->checkpoint)
    return usage_error("the branch has lost all its checkpoints", config_.typed.run,
                       "begin it in another --run");
  std::string checkpoint =
      BALLAST_TRY(keeper_.load(config_.branch->checkpoint->path, [&](const TrainState& stored) {
        return check_branch(config_, stored);
      }));
  state_->begin_branch();
  return checkpoint;
}

Result<void> Trainer::start_log(const StartPlan& plan, const std::string& checkpoint) {
  BALLAST_TRY(log_.open_trace());
  const TrainState& counters = state_->counters();
  BALLAST_TRY(log_.journal(plan.resumes() ? "resume" : "start",
                           {{"step", counters.step}, {"segment", plan.segment}}));
  SegmentStart start = {plan.segment, std::nullopt, checkpoint};
  if (plan.resumes()) start.parent = plan.parent.value_or(counters.segment);
  return log_.begin_segment(start);
}

Result<void> Trainer::continue_run(const StartPlan& plan, const std::vector<LawChange>& changes) {
  BALLAST_TRY(log_.event(state_->counters().step, "resume", plan.checkpoint));
  BALLAST_TRY(announce_changes(log_, *state_, config_, changes));
  if (!changes.empty())
    BALLAST_TRY(write_run_text(world_.files(), join_path(config_.typed.run, "config.toml"),
                               config_.toml()));
  BALLAST_TRY(forks_.look_ahead());
  return forks_.take_due();
}

Result<void> Trainer::start_run(const std::string& checkpoint) {
  const TrainState& counters = state_->counters();
  if (config_.branch) {
    const std::string& address = config_.branch->address;
    BALLAST_TRY(log_.journal("branch", {{"address", address},
                                        {"step", counters.step},
                                        {"tokens", counters.tokens},
                                        {"checkpoint", checkpoint}}));
    BALLAST_TRY(
        log_.event(counters.step, "branch", "begins at " + address, {{"checkpoint", checkpoint}}));
  }
  BALLAST_TRY(
      write_run_text(world_.files(), join_path(config_.typed.run, "config.toml"), config_.toml()));
  return keeper_.save("start");  // a way back exists before the first incident
}

// ---- the passes of a step -------------------------------------------------------------------

Result<StepWork> Trainer::step() {
  clock_.begin_step();
  StepWork work = state_->next_step();
  BALLAST_TRY(load_batch(work));            // consumes the batch whatever becomes of the step
  BALLAST_TRY(faults_.fire(work, batch_));  // on purpose
  compute(work, false);                     // the one host wait: losses and norm arrive
  BALLAST_TRY(log_.settle());               // and with them what the record before has lacked
  if (work.valid > 0) work.verdict = state_->laws().judge(work.losses.loss, work.grad_norm);
  const auto again = [this](StepWork& repeated) { compute(repeated, true); };
  BALLAST_TRY(verifier_.verify(work, again));  // a suspicious step is computed twice
  if (!work.hardware.empty()) return work;
  decide(work);               // the laws: skip or not, clip factor
  update(work);               // the optimizer, with a factor and an apply flag
  advance(work);              // counters and statistics
  BALLAST_TRY(record(work));  // trace
  return work;
}

Result<void> Trainer::load_batch(StepWork& work) {
  BALLAST_TRY(announce_borders(log_, *state_, config_, work.batch_tokens));
  const int64_t share = work.batch_samples / world_.size();
  const int64_t first = state_->counters().samples + world_.rank() * share;
  const auto read = [&] {
    const RunClock::Scope reading = clock_.reading();
    return state_->data().read(first, share, batch_);
  }();
  work.valid = batch_.valid;
  if (world_.alone()) return read;
  double sums[2] = {static_cast<double>(batch_.valid), read.ok() ? 0.0 : 1.0};
  {
    const RunClock::Scope waiting = clock_.waiting();
    world_.comm().all_reduce_host(sums, ReduceOp::sum);
  }
  if (sums[1] > 0) return *world_.share_error(read.ok() ? nullptr : &read.error());
  work.valid = static_cast<int64_t>(sums[0]);
  return {};
}

// Gradient, losses, norm.
void Trainer::compute(StepWork& work, bool again) {
  Pass pass;
  pass.batch = &batch_;
  pass.valid = work.valid;
  pass.probe = layers_.probe(work.step, again);
  pass.before_sum = [&] { faults_.corrupt_own(work, again); };
  pass.after_sum = [&] { faults_.corrupt_sum(work); };
  engine_.forward_backward(pass);
  optimizer_.launch_norm();
  work.losses = meter_.measure(batch_, work.valid);
  work.grad_norm = optimizer_.gradient_norm();
}

void Trainer::decide(StepWork& work) {
  if (work.valid == 0) {
    work.skip_reason = "no labels";
    return;
  }
  LawDecision decision = state_->laws().decide(work.verdict, work.losses.loss, work.grad_norm);
  work.clip = decision.clip;
  work.skip_reason = std::move(decision.skip_reason);
}

void Trainer::update(StepWork& work) {
  if (layers_.due(work.step) || !work.rerun.empty())
    layers_.take(gradient_norms(engine_.table(), optimizer_.gradient_squares()));
  optimizer_.update({.number = state_->counters().optimizer_steps + 1,
                     .lr = work.lr,
                     .grad_factor = work.clip.factor,
                     .update_factor = work.update_factor,
                     .apply = work.apply()});
}

void Trainer::advance(const StepWork& work) {
  state_->advance(work);
  if (work.valid > 0) last_loss_ = work.losses.loss;
  if (!work.apply()) return;
  const TrainBuffers& b = engine_.buffers();
  state_->averages().update(engine_.backend(), b.swa, b.ema, weight_tensors(b), engine_.scratch(),
                            state_->counters().optimizer_steps);
}

// A device still computes the update then, and its norms come with the wait of the next step.
Result<void> Trainer::record(const StepWork& work) {
  clock_.end_step(work.step);
  BALLAST_TRY(log_.hold(
      make_step_record(work, *state_, config_, clock_, clock_.take_saving_seconds(), world_.size()),
      [this](StepRecord& held) { add_norms(held, optimizer_.norms()); }));
  if (world_.backend().host_memory()) BALLAST_TRY(log_.settle());
  return layers_.keep(state_->counters().segment, work.step);
}

// ---- the loop around it ---------------------------------------------------------------------

Result<RunResult> Trainer::run() {
  RunResult result;
  if (finished_ && !evaluation_owed_) {
    result.step = state_->counters().step;
    result.reason = "the run is finished";
    return result;
  }
  clock_.begin_run();
  if (evaluation_owed_) BALLAST_TRY(evaluator_.evaluate());
  bool stopped = evaluator_.cut_short() && BALLAST_TRY(serve_requests(result));
  const TrainState& counters = state_->counters();
  while (!stopped && counters.step < config_.total_steps) {
    BALLAST_TRY(forks_.take_due());
    const StepWork work = BALLAST_TRY(step());
    if (work.hardware.empty()) progress_.show(work);
    const Answer answer = work.hardware.empty() ? BALLAST_TRY(guard_.answer(work)) : Answer::stop;
    if (BALLAST_TRY(end_early(work, answer, result))) break;
    if (answer == Answer::none) BALLAST_TRY(after_step());
    stopped = BALLAST_TRY(serve_requests(result)) && counters.step < config_.total_steps;
  }
  // It was the last step; all is done but an evaluation that was cut, which the next start makes.
  if (!stopped && result.exit_code == kExitStopped && !evaluator_.cut_short()) {
    result.exit_code = kExitDone;
    result.reason.clear();
  }
  BALLAST_TRY(finish(result));
  return result;
}

// The step is part of the line: what is due after it.
Result<void> Trainer::after_step() {
  const int64_t step = state_->counters().step;
  const bool last = step == config_.total_steps;
  if (evaluator_.due(step)) BALLAST_TRY(evaluator_.evaluate());
  if (last || requests_.checkpoint_due(step)) BALLAST_TRY(keeper_.save(last ? "end" : "interval"));
  guard_.keep_snapshot();
  return {};
}

// Suspected hardware or an exhausted ladder ends the run. For the ladder the last good checkpoint
// stays as it is. A step that the machine got wrong has not been: the state before it is saved, for
// another machine to go on from.
Result<bool> Trainer::end_early(const StepWork& work, Answer answer, RunResult& result) {
  if (answer != Answer::stop) return false;
  if (work.hardware.empty()) {
    result.exit_code = kExitGuard;
    result.reason = fmt::format("the guard's ladder is exhausted at step {}", work.step);
    return true;
  }
  BALLAST_TRY(keeper_.save_once("hardware"));
  result.exit_code = kExitHardware;
  result.reason = fmt::format("{} at step {}", work.hardware, work.step);
  return true;
}

// Requests from outside; true when the run should stop here.
Result<bool> Trainer::serve_requests(RunResult& result) {
  if (lease_.has_value()) BALLAST_TRY(lease_->renew());
  const ControlRequest request = requests_.take();
  log_.print_warnings();
  if (!request.save()) return false;
  const int64_t step = state_->counters().step;
  print_note(fmt::format("step {}: {}: saving", step, request.reason()));
  BALLAST_TRY(log_.event(step, "signal", request.reason()));
  BALLAST_TRY(keeper_.save_once(request.reason()));
  if (!request.stop()) return false;
  result.exit_code = kExitStopped;
  result.reason = request.reason();
  return true;
}

Result<void> Trainer::finish(RunResult& result) {
  progress_.clear();
  result.step = state_->counters().step;
  result.last_loss = last_loss_;
  result.validation_loss = evaluator_.last_loss();
  result.trace_lost = log_.stdout_failed();
  BALLAST_TRY(log_.close_trace());
  if (lease_.has_value()) BALLAST_TRY(lease_->release());
  world_.comm().barrier();  // a launcher may end the others as soon as one rank has
  return {};
}

}  // namespace ballast
