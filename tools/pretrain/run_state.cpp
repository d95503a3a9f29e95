#include "tools/pretrain/run_state.h"

#include <utility>

namespace ballast {

RunState::RunState(const RunConfig& config, Json environment, Laws laws)
    : config_(config),
      environment_(std::move(environment)),
      laws_(std::move(laws)),
      averages_(config.averages, make_param_table(config.model)) {}

Result<std::unique_ptr<RunState>> RunState::make(const RunConfig& config, Json environment) {
  Laws laws = BALLAST_TRY(Laws::make(config.clip, config.ladder));
  std::unique_ptr<RunState> state(new RunState(config, std::move(environment), std::move(laws)));
  state->data_ = std::make_unique<BatchSource>(BALLAST_TRY(BatchSource::make(config)));
  return state;
}

StepWork RunState::next_step() const {
  StepWork work;
  work.step = counters_.step + 1;
  work.batch_tokens = config_.batches.batch_at(counters_.tokens);
  work.batch_samples = work.batch_tokens / config_.seq_len;
  work.lr = config_.schedule.lr(counters_.tokens, work.batch_tokens) *
            laws_.memory().interventions.lr_factor;
  return work;
}

void RunState::advance(const StepWork& work) {
  counters_.step = work.step;
  counters_.samples += work.batch_samples;
  counters_.tokens += work.batch_tokens;
  if (!work.apply()) return;
  counters_.tokens_trained += work.batch_tokens;
  ++counters_.optimizer_steps;
  laws_.accept(work.losses.loss, work.grad_norm, work.losses.by_source);
}

void RunState::step_back(const StepWork& work) {
  laws_.unjudge();  // the step is judged once, or a jump seen with the NaN is lost
  counters_.step -= 1;
  counters_.samples -= work.batch_samples;
  counters_.tokens -= work.batch_tokens;
}

void RunState::add_skip_ranges(const std::vector<SkipRange>& ranges) {
  for (const SkipRange& range : ranges) add_skip_range(counters_.skip_ranges, range);
  data_->set_skip_ranges(counters_.skip_ranges);
}

Result<void> RunState::intervene(const Interventions& after) {
  BALLAST_TRY(laws_.cap_clip(after.clip_cap));
  Interventions& now = laws_.memory().interventions;
  if (after.dropped != now.dropped) {
    data_ = std::make_unique<BatchSource>(BALLAST_TRY(BatchSource::make(config_, after.dropped)));
    data_->set_skip_ranges(counters_.skip_ranges);
  }
  now = after;
  return {};
}

void RunState::begin_branch() {
  counters_.segment = 0;
  laws_.forget_journal();
}

const TrainState& RunState::collect() {
  counters_.clipper = laws_.clip_state();
  counters_.guard = laws_.guard_state();
  counters_.averages = averages_.state();
  counters_.config = config_.law();
  counters_.environment = environment_;
  return counters_;
}

Result<void> RunState::adopt(TrainState state) {
  GuardMemory memory = BALLAST_TRY(laws_.load_guard_state(state.guard));
  const Json law = config_.law();
  const auto unchanged = [&](const char* key) {
    return law.value(key, Json()) == state.config.value(key, Json());
  };
  const bool same_clip = unchanged("clip");
  for (const char* key : {"swa", "ema"})
    if (!unchanged(key)) state.averages.erase(std::string(key) + "_samples");
  BALLAST_TRY(averages_.load(state.averages));
  counters_ = std::move(state);
  BALLAST_TRY(intervene(memory.interventions));
  laws_.memory() = std::move(memory);
  BALLAST_TRY(laws_.load_clipper(same_clip ? &counters_.clipper : nullptr));
  data_->set_skip_ranges(counters_.skip_ranges);
  return {};
}

}  // namespace ballast
