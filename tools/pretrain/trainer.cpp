#include "tools/pretrain/trainer.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/thread_pool.h"
#include "libcore/base/units.h"
#include "libcore/base/version.h"
#include "libcore/checkpoint/address.h"
#include "libcore/cli/message.h"
#include "libcore/io/atomic_file.h"
#include "tools/pretrain/flat_copy.h"

namespace ballast {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Result<void> write_run_text(FileSystem& fs, const std::string& path, const std::string& text) {
  AtomicFile file(fs, path, true);
  BALLAST_TRY(file.write(text));
  return file.commit();
}

Trainer::Trainer(World& world, RunConfig config, const CommonOptions& common)
    : world_(world),
      fs_(world.files()),
      config_(std::move(config)),
      common_(common),
      table_(make_param_table(config_.model)),
      cut_(table_, world.size()),
      backend_(&world.backend()),
      comm_(&world.comm()),
      averages_(config_.averages, table_) {}

Result<std::unique_ptr<Trainer>> Trainer::open(World& world, RunConfig config,
                                               const CommonOptions& common) {
  BALLAST_TRY(world.agree(config.check_ranks(world.size())));
  std::unique_ptr<Trainer> trainer(new Trainer(world, std::move(config), common));
  BALLAST_TRY(world.agree(trainer->allocate()));
  BALLAST_TRY(trainer->begin());
  return trainer;
}

Result<void> Trainer::allocate() {
  const int ranks = world_.size();
  const auto take_sum = [&](Arena& arena, const Tensor& grads) {
    return GradientSum(*backend_, comm_, arena, cut_, grads, config_.slots_of_rank(ranks),
                       config_.sharded());
  };
  const bool stable = config_.optimizer.kind == OptimizerKind::stable_adamw;
  shard_ = make_shard(cut_, world_.rank(), config_.sharded(), table_.flat_size,
                      stable ? ratio_ranges(table_) : table_.optimizer_ranges());
  const int64_t states = config_.sharded() ? cut_.shard_size(world_.rank()) : table_.flat_size;
  Arena plan;
  take_sum(plan, take_buffers(plan, table_, config_, ranks, states).grads);
  Model(*backend_, plan, config_.model, table_, model_shape(config_));
  const bool layers = world_.leads() && config_.typed.layers_every > 0;
  const auto take_layer_stats = [&](Arena& arena) {
    return LayerStats(*backend_, arena, config_.model, config_.micro_batch, config_.seq_len);
  };
  if (layers) take_layer_stats(plan);
  arena_ = std::make_unique<Arena>(*backend_, plan.peak_bytes());
  buffers_ = take_buffers(*arena_, table_, config_, ranks, states);
  gradient_sum_.emplace(take_sum(*arena_, buffers_.grads));
  model_ = std::make_unique<Model>(*backend_, *arena_, config_.model, table_, model_shape(config_));
  model_->bind(buffers_.params, buffers_.grads);
  if (layers) layer_stats_ = std::make_unique<LayerStats>(take_layer_stats(*arena_));
  blocks_.resize(static_cast<size_t>(buffers_.block_sums.elements()));
  batches_ = std::make_unique<BatchSource>(BALLAST_TRY(BatchSource::make(config_)));
  clipper_ = BALLAST_TRY(make_clipper(config_.clip));
  snapshots_ = SnapshotRing(config_.ladder.off() ? 0 : config_.typed.snapshot_every);
  return {};
}

// The leader takes the run and finds out where it goes on.
Result<Json> Trainer::take_run() {
  const std::string& run = config_.typed.run;
  BALLAST_TRY(fs_.make_directories(join_path(run, "control")));
  lease_.emplace(BALLAST_TRY(Lease::acquire(fs_, run, "pretrain")));
  const ResumePlan plan = BALLAST_TRY(plan_resume(fs_, run));
  std::optional<CheckpointRef> from = plan.checkpoint;
  if (config_.typed.resume == "never" && from.has_value()) {
    return usage_error("the run has checkpoints already", run,
                       "--resume never starts only new runs");
  }
  if (config_.typed.resume != "auto" && config_.typed.resume != "never") {
    const int64_t step = BALLAST_TRY(parse_count(config_.typed.resume));
    const CheckpointRef wanted =
        BALLAST_TRY(resolve_checkpoint(fs_, fmt::format("{}@{}", run, step)));
    if (from.has_value() && from->step != wanted.step) {
      return usage_error(fmt::format("--resume {}: the run goes on from step {}", step, from->step),
                         run, "go back with `ckpt rollback` first");
    }
    from = wanted;
  }
  if (!from.has_value()) BALLAST_TRY(refuse_damaged_run());
  const int64_t step = from.has_value() ? from->step : 0;
  if (step < config_.total_steps) BALLAST_TRY(check_progress(step));
  Json decision = {{"segment", plan.segment}, {"skip", Json::array()}};
  if (from.has_value()) decision["checkpoint"] = from->path;
  if (plan.rollback.has_value()) decision["parent"] = plan.rollback->parent_segment;
  for (const SkipRange& range : plan.add_skip)
    decision["skip"].push_back(Json::array({range.begin, range.end}));
  return decision;
}

// Everything up to the first step: the lease, what to resume, weights, the first trace record.
Result<void> Trainer::begin() {
  const std::string& run = config_.typed.run;
  const Json plan = BALLAST_TRY(world_.lead([&] { return take_run(); }));
  const bool resumes = plan.contains("checkpoint");
  if (resumes) {
    CheckpointRef from;
    from.path = plan.at("checkpoint").get<std::string>();
    BALLAST_TRY(world_.agree(load(from)));
    for (const Json& range : plan.at("skip"))
      add_skip_range(state_.skip_ranges, {range[0].get<int64_t>(), range[1].get<int64_t>()});
    batches_->set_skip_ranges(state_.skip_ranges);
  } else if (config_.branch) {
    BALLAST_TRY(world_.agree(start_branch()));
  } else if (!config_.typed.changes.empty()) {
    return usage_error("--change: there is nothing to resume", run);
  } else {
    BALLAST_TRY(world_.agree(start_fresh()));
  }
  BALLAST_TRY(world_.agree(restore_faults()));
  finished_ = state_.step >= config_.total_steps;
  if (resumes) {
    const auto ask = [&]() -> Result<Json> {
      return Json(BALLAST_TRY(evaluation_missing(state_.step)));
    };
    const Json due = BALLAST_TRY(world_.lead(ask));
    evaluation_due_ = due.get<bool>();
  }
  if (finished_ && !evaluation_due_) return {};

  const bool leads = world_.leads();
  control_ = std::make_unique<Control>(fs_, leads ? run : "", config_.max_wall_seconds);
  trace_ = BALLAST_TRY(TraceWriter::open(fs_, run, leads ? config_.typed.trace : ""));
  const auto segment = plan.at("segment").get<int64_t>();
  BALLAST_TRY(journal(resumes ? "resume" : "start", {{"step", state_.step}, {"segment", segment}}));
  const int64_t parent = plan.value("parent", state_.segment);
  BALLAST_TRY(start_segment(segment, resumes, parent, state_.step));
  if (resumes) {
    BALLAST_TRY(event(state_.step, "resume", plan.at("checkpoint").get<std::string>()));
    BALLAST_TRY(record_changes());
    BALLAST_TRY(look_ahead());
    BALLAST_TRY(take_forks());
  } else {
    if (config_.branch) BALLAST_TRY(record_branch());
    BALLAST_TRY(write_run_text(fs_, join_path(run, "config.toml"), config_.toml()));
    BALLAST_TRY(save("start"));  // a way back exists before the first incident
  }
  return {};
}

// Published checkpoints are complete, so a run that has only unusable ones was damaged later.
// Starting it anew without a word would cost whatever it was worth.
Result<void> Trainer::refuse_damaged_run() const {
  const std::vector<CheckpointEntry> entries =
      BALLAST_TRY(list_checkpoints(fs_, config_.typed.run));
  if (entries.empty()) return {};
  return corrupt_error("no checkpoint of the run is usable", entries.back().path,
                       entries.back().why);
}

Result<void> Trainer::start_fresh() {
  std::vector<float> flat(static_cast<size_t>(table_.flat_size));
  initialise_parameters(table_, static_cast<uint64_t>(config_.seed), flat.data());
  flat_to_device(*backend_, buffers_.params, flat.data());
  for (const Tensor& state : {buffers_.m, buffers_.v, buffers_.m2, buffers_.swa, buffers_.ema})
    if (!state.empty()) backend_->zero(state.data, state.cols * bytes_of(state.dtype));
  model_->prepare_weights();
  state_ = {};
  return {};
}

// Weights and optimizer states of a checkpoint into the device.
Result<LoadedCheckpoint> Trainer::load_tensors(const CheckpointRef& ref) {
  HostState host(table_.flat_size);
  const std::vector<FlatRange> own = cut_.shard(world_.rank());
  const MutableFlatState flat = host.prepare(buffers_, config_.sharded() ? &own : nullptr);
  LoadedCheckpoint loaded = BALLAST_TRY(load_checkpoint(fs_, ref.path, table_, flat));
  if (flat.m2 != nullptr && !holds_state(loaded.manifest, "m2"))
    return corrupt_error("checkpoint holds no slow moment", ref.path, "the run uses ademamix");
  host.give(*backend_, buffers_, shard_);
  return loaded;
}

// What the bits of a run depend on besides its law; stands in every checkpoint.
Json Trainer::environment() const {
  return {{"backend", backend_->description()},
          {"ranks", world_.size()},
          {"deterministic", config_.typed.deterministic}};
}

void Trainer::warn_of_other_bits(const Json& there) const {
  const Json here = environment();
  const auto differs = [&](const char* key) {
    return there.contains(key) && there.at(key) != here.at(key);
  };
  const bool any_world = config_.typed.deterministic == "world";
  for (const char* key : {"backend", "deterministic", "ranks"}) {
    if (!differs(key) || (any_world && std::string_view(key) == "ranks")) continue;
    print_warning(fmt::format("not bit-exact: {} was {} for the checkpoint and is {} now", key,
                              there.at(key).dump(), here.at(key).dump()));
  }
}

// From a checkpoint into the device; counters, laws and statistics with it.
Result<void> Trainer::load(const CheckpointRef& ref) {
  const LoadedCheckpoint stored = BALLAST_TRY(load_checkpoint_state(fs_, ref.path));
  BALLAST_TRY(check_law(stored.state));
  LoadedCheckpoint loaded = BALLAST_TRY(load_tensors(ref));
  model_->prepare_weights();
  return adopt(std::move(loaded));
}

// Counters, laws and statistics of a checkpoint whose tensors are in place.
Result<void> Trainer::adopt(LoadedCheckpoint loaded) {
  warn_of_other_bits(loaded.state.environment);
  BALLAST_TRY(adopt_state(std::move(loaded.state)));
  manifest_hash_ = loaded.manifest_hash;
  last_saved_step_ = state_.step;
  return {};
}

// What the laws hold, into the state that a checkpoint or a snapshot keeps; and back.
void Trainer::collect_state() {
  state_.clipper = clipper_->state();
  state_.guard = guard_json(detector_, config_.ladder, memory_);
  state_.averages = averages_.state();
  state_.config = config_.law();
  state_.environment = environment();
}

Result<void> Trainer::adopt_state(TrainState state) {
  GuardMemory memory;
  BALLAST_TRY(load_guard(state.guard, detector_, config_.ladder, memory));
  // What a change has replaced begins anew.
  const Json law = config_.law();
  const auto unchanged = [&](const char* key) {
    return law.value(key, Json()) == state.config.value(key, Json());
  };
  const bool same_clip = unchanged("clip");
  for (const char* key : {"swa", "ema"})
    if (!unchanged(key)) state.averages.erase(std::string(key) + "_samples");
  BALLAST_TRY(averages_.load(state.averages));
  state_ = std::move(state);
  BALLAST_TRY(intervene(memory.interventions));
  memory_ = std::move(memory);
  if (same_clip) {
    BALLAST_TRY(clipper_->load(state_.clipper));
  } else {
    clipper_ = BALLAST_TRY(make_clipper(clipper_->spec()));
  }
  batches_->set_skip_ranges(state_.skip_ranges);
  return {};
}

// What the journal knows and checkpoints do not: faults that have fired.
Result<void> Trainer::restore_faults() {
  const JournalContents journal = BALLAST_TRY(read_journal(fs_, config_.typed.run));
  for (const JournalRecord& record : journal.records) {
    if (record.event == "inject" && record.object.contains("fault")) {
      for (Fault& fault : config_.faults) fault.fired |= record.object.at("fault") == fault.text();
    }
  }
  return {};
}

// By the leader. A run that dies again and again before its next checkpoint computes the same steps
// for ever.
Result<void> Trainer::check_progress(int64_t step) {
  constexpr int64_t kRestarts = 3;
  if (config_.ladder.off()) return {};
  const JournalContents contents = BALLAST_TRY(read_journal(fs_, config_.typed.run));
  if (restarts_without_progress(contents) < kRestarts) return {};
  const std::string reason = fmt::format("{} restarts made no progress", kRestarts);
  BALLAST_TRY(journal("guard-stop", {{"step", step}, {"reason", reason}}));
  return Error{ErrorKind::guard, reason, config_.typed.run,
               fmt::format("the newest checkpoint is of step {}; see what ended them, then start "
                           "again or save more often",
                           step)};
}

Result<void> Trainer::start_segment(int64_t segment, bool has_parent, int64_t parent,
                                    int64_t parent_step) {
  RunRecord r;
  r.segment = segment;
  r.time_us = wall_clock_us();
  if (has_parent) {
    r.parent = parent;
    r.parent_step = parent_step;
  }
  r.parent_checkpoint = manifest_hash_;
  r.run = file_name(config_.typed.run);
  r.version = kVersion;
  r.config_hash = config_.hash();
  r.model = config_.model_name;
  r.optimizer = config_.optimizer.spec();
  r.schedule = config_.schedule.spec();
  r.clip = clipper_->spec();
  r.guard = config_.ladder.spec();
  r.precision = config_.typed.precision;
  r.device = backend_->description();
  if (lease_.has_value()) {
    r.host = lease_->holder().host;
    r.job = lease_->holder().job;
  }
  r.ranks = comm_->size();
  if (config_.typed.cost_per_hour > 0) r.cost_per_hour = config_.typed.cost_per_hour;
  r.parameters = table_.parameters;
  r.total_tokens = config_.total_tokens();
  r.batch_tokens = config_.batches.batch_at(state_.tokens);
  r.seq_len = config_.seq_len;
  r.seed = config_.seed;
  r.data_seed = static_cast<int64_t>(config_.data_seed);
  r.clip_state = clipper_->state();
  r.detector_state = detector_.state();
  if (config_.branch) r.details = {{"branch", config_.branch->address}};
  state_.segment = segment;
  return trace_->write(r);
}

Result<void> Trainer::event(int64_t step, const std::string& name, const std::string& reason,
                            Json details) {
  EventRecord r;
  r.segment = state_.segment;
  r.time_us = wall_clock_us();
  r.step = step;
  r.event = name;
  r.reason = reason;
  r.details = std::move(details);
  return trace_->write(r);
}

// Of all ranks. Sharded states are written by their owners, all else by the leader.
Result<SavedCheckpoint> Trainer::write_checkpoint() {
  if (config_.sharded() && !world_.alone()) return write_shards();
  return world_.agree(world_.leads() ? write_alone() : Result<SavedCheckpoint>(SavedCheckpoint()));
}

// What stands in state.json besides the counters. A checkpoint never stands for steps that the
// trace has lost.
Result<SaveOptions> Trainer::prepare_save() {
  BALLAST_TRY(trace_->sync());
  collect_state();
  SaveOptions options;
  options.tokenizer = config_.tokenizer;
  return options;
}

Result<void> Trainer::retain() {
  RetentionPolicy keep = config_.keep;
  // The next onset must find a checkpoint that is older than what led to it.
  if (!config_.ladder.off()) {
    for (const int64_t margin : {kLeadSteps, config_.ladder.longest_way_back()})
      keep.way_back.push_back(state_.step + 1 - margin);
  }
  BALLAST_TRY(apply_retention(fs_, config_.typed.run, keep, true));
  return {};
}

Result<SavedCheckpoint> Trainer::write_alone() {
  const SaveOptions options = BALLAST_TRY(prepare_save());
  HostState host(table_.flat_size);
  const FlatState flat = host.take(*backend_, buffers_, shard_, true);
  SavedCheckpoint saved = BALLAST_TRY(
      save_checkpoint(fs_, config_.typed.run, config_.model, table_, flat, state_, options));
  BALLAST_TRY(retain());
  return saved;
}

Result<SavedCheckpoint> Trainer::write_shards() {
  const std::string& run = config_.typed.run;
  HostState host(table_.flat_size);
  const FlatState flat = host.take(*backend_, buffers_, shard_, world_.leads());
  SaveOptions options;
  const auto begin = [&]() -> Result<Json> {
    options = BALLAST_TRY(prepare_save());
    return Json(BALLAST_TRY(begin_checkpoint(fs_, run, table_, flat, state_, options)));
  };
  const Json place = BALLAST_TRY(world_.lead(begin));
  const auto directory = place.get<std::string>();
  auto part = world_.agree(write_optim_part(world_.disk(), directory, table_, flat, world_.rank(),
                                            world_.size(), cut_.shard(world_.rank()), options));
  if (!part.ok()) {
    (void)fs_.remove_all(directory);
    return part.take_error();
  }
  const std::vector<std::string> texts = world_.gather(file_record_text(*part));
  const auto finish = [&]() -> Result<SavedCheckpoint> {
    std::vector<FileRecord> parts;
    for (const std::string& text : texts)
      parts.push_back(BALLAST_TRY(parse_file_record(text, directory)));
    SavedCheckpoint saved = BALLAST_TRY(finish_checkpoint(fs_, run, directory, config_.model,
                                                          table_, flat, state_, parts, options));
    BALLAST_TRY(retain());
    return saved;
  };
  return world_.agree(world_.leads() ? finish() : Result<SavedCheckpoint>(SavedCheckpoint()));
}

Result<void> Trainer::save(const std::string& why) {
  const Clock::time_point start = Clock::now();
  const SavedCheckpoint saved = BALLAST_TRY(write_checkpoint());
  last_saved_step_ = state_.step;
  last_save_ = Clock::now();
  const double seconds = seconds_since(start);
  saving_seconds_ += seconds;
  save_seconds_ = std::max(save_seconds_, seconds);
  return event(state_.step, "checkpoint", why,
               {{"bytes", saved.bytes}, {"ms", seconds * 1e3}, {"hash", saved.manifest_hash}});
}

// By time the leader's clock decides, and says so with the loss of the step.
bool Trainer::checkpoint_due() const {
  if (config_.checkpoint_steps > 0) return state_.step % config_.checkpoint_steps == 0;
  if (!world_.alone()) return save_due_;
  return seconds_since(last_save_) >= config_.checkpoint_seconds;
}

// What this rank alone knows of.
ControlRequest Trainer::poll() {
  ControlRequest request = control_->poll(save_seconds_, step_seconds_);
  if (trace_->reader_closed()) request.cause = std::max(request.cause, Cause::reader_gone);
  return request;
}

// Requests from outside; true when the run should stop here.
Result<bool> Trainer::serve_requests(RunResult& result) {
  if (lease_.has_value()) BALLAST_TRY(lease_->renew());
  const ControlRequest request = world_.alone() ? poll() : request_;
  request_ = {};
  if (const std::string warning = trace_->take_warning(); !warning.empty()) print_warning(warning);
  if (!request.save()) return false;
  progress_.clear();
  print_note(fmt::format("step {}: {}: saving", state_.step, request.reason()));
  BALLAST_TRY(event(state_.step, "signal", request.reason()));
  if (last_saved_step_ != state_.step) BALLAST_TRY(save(request.reason()));
  if (!request.stop()) return false;
  result.exit_code = kExitStopped;
  result.reason = request.reason();
  return true;
}

void Trainer::show_progress(const StepWork& work) {
  const double left =
      static_cast<double>(config_.total_steps - state_.step) * average_step_seconds_;
  const std::string text =
      fmt::format("step {}/{}  loss {:.4f}  norm {:.3f}{}  lr {:.2e}  {} tok/s  ETA {}", work.step,
                  config_.total_steps, work.loss, work.grad_norm,
                  work.clip.clipped ? " (clipped)" : "", work.lr,
                  format_count(static_cast<int64_t>(static_cast<double>(work.batch_tokens) /
                                                    average_step_seconds_)),
                  format_seconds(left));
  if (!world_.leads()) return;
  if (progress_.wanted()) {
    progress_.update(text);
  } else if (work.step % std::max<int64_t>(1, config_.total_steps / 10) == 0) {
    print_note(text);
  }
}

Result<RunResult> Trainer::run() {
  RunResult result;
  result.step = state_.step;
  if (finished_ && !evaluation_due_) {
    result.reason = "the run is finished";
    return result;
  }
  last_save_ = Clock::now();
  if (evaluation_due_) BALLAST_TRY(evaluate());
  bool stopped = evaluation_cut_ && BALLAST_TRY(serve_requests(result));
  while (!stopped && state_.step < config_.total_steps) {
    BALLAST_TRY(take_forks());
    const StepWork work = BALLAST_TRY(step());
    if (!work.hardware.empty()) {
      BALLAST_TRY(stop_on_hardware(work, result));
      break;
    }
    show_progress(work);
    const bool restored = BALLAST_TRY(answer_incident(work, result));
    if (result.exit_code != kExitDone) break;  // the last good checkpoint stays as it is
    if (!restored) {
      if (config_.val_every > 0 && state_.step % config_.val_every == 0) BALLAST_TRY(evaluate());
      const bool last = state_.step == config_.total_steps;
      if (last && !(config_.val_every > 0 && state_.step % config_.val_every == 0))
        BALLAST_TRY(evaluate());
      if (last || checkpoint_due()) BALLAST_TRY(save(last ? "end" : "interval"));
      if (snapshots_.due(state_.step)) {
        collect_state();
        snapshots_.take(*backend_, state_, kept_tensors(buffers_));
      }
    }
    stopped = BALLAST_TRY(serve_requests(result)) && state_.step < config_.total_steps;
  }
  // It was the last step; all is done but an evaluation that was cut, which the next start makes.
  if (!stopped && result.exit_code == kExitStopped && !evaluation_cut_) {
    result.exit_code = kExitDone;
    result.reason.clear();
  }
  progress_.clear();
  result.step = state_.step;
  result.last_loss = last_loss_;
  result.validation_loss = validation_loss_;
  result.trace_lost = trace_->stdout_failed();
  BALLAST_TRY(trace_->close());
  if (const std::string warning = trace_->take_warning(); !warning.empty()) print_warning(warning);
  if (lease_.has_value()) BALLAST_TRY(lease_->release());
  comm_->barrier();  // a launcher may end the others as soon as one rank has
  return result;
}

}  // namespace ballast
