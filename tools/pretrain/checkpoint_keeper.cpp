#include "tools/pretrain/checkpoint_keeper.h"

#include <fmt/format.h>

#include <string_view>

#include "libcore/cli/message.h"
#include "tools/pretrain/rehearse.h"
#include "tools/pretrain/shard_state.h"

namespace ballast {

CheckpointKeeper::CheckpointKeeper(World& world, const RunConfig& config, Engine& engine,
                                   RunState& state, RunLog& log, RunClock& clock)
    : world_(world),
      fs_(world.files()),
      config_(config),
      engine_(engine),
      state_(state),
      log_(log),
      clock_(clock) {}

Result<void> CheckpointKeeper::save(const std::string& why) {
  const RunClock::Clock::time_point start = RunClock::Clock::now();
  const SavedCheckpoint saved = BALLAST_TRY(write());
  const int64_t step = state_.counters().step;
  last_saved_step_ = step;
  const double seconds = RunClock::seconds_since(start);
  clock_.saved(seconds);
  return log_.event(step, "checkpoint", why,
                    {{"bytes", saved.bytes}, {"ms", seconds * 1e3}, {"hash", saved.manifest_hash}});
}

Result<void> CheckpointKeeper::save_once(const std::string& why) {
  if (last_saved_step_ == state_.counters().step) return {};
  return save(why);
}

Result<SavedCheckpoint> CheckpointKeeper::write() {
  if (config_.zero_stage(world_.size()) > 0) return write_shards();
  return world_.agree(world_.leads() ? write_alone() : Result<SavedCheckpoint>(SavedCheckpoint()));
}

// A checkpoint never stands for steps that the trace has lost.
Result<SaveOptions> CheckpointKeeper::prepare() {
  BALLAST_TRY(log_.sync());
  if (const std::string choices = product_choices(engine_.backend()); !choices.empty())
    state_.set_environment("products", choices);
  state_.collect();
  SaveOptions options;
  options.tokenizer = config_.tokenizer;
  return options;
}

Result<void> CheckpointKeeper::retain() {
  RetentionPolicy keep = config_.keep;
  // The next onset must find a checkpoint that is older than what led to it.
  keep.way_back = state_.laws().ways_back(state_.counters().step);
  BALLAST_TRY(apply_retention(fs_, config_.typed.run, keep, true));
  return {};
}

Result<SavedCheckpoint> CheckpointKeeper::write_alone() {
  const SaveOptions options = BALLAST_TRY(prepare());
  HostState host(engine_.table().flat_size, engine_.layout());
  const FlatState flat = host.take(engine_.backend(), engine_.buffers(), true,
                                   [&](float* weights) { engine_.collect_weights(weights); });
  SavedCheckpoint saved = BALLAST_TRY(save_checkpoint(
      fs_, config_.typed.run, config_.model, engine_.table(), flat, state_.counters(), options));
  BALLAST_TRY(retain());
  return saved;
}

// The leader makes the directory, every rank writes its part, the leader publishes the whole.
Result<SavedCheckpoint> CheckpointKeeper::write_shards() {
  const ParamTable& table = engine_.table();
  HostState host(table.flat_size, engine_.layout());
  const FlatState flat = host.take(engine_.backend(), engine_.buffers(), world_.leads(),
                                   [&](float* weights) { engine_.collect_weights(weights); });
  SaveOptions options;
  const auto begin = [&]() -> Result<Json> {
    options = BALLAST_TRY(prepare());
    return Json(BALLAST_TRY(
        begin_checkpoint(fs_, config_.typed.run, table, flat, state_.counters(), options)));
  };
  const Json place = BALLAST_TRY(world_.lead(begin));
  const auto directory = place.get<std::string>();
  auto part = world_.agree(write_optim_part(world_.disk(), directory, table, flat, world_.rank(),
                                            world_.size(), engine_.layout().owned.runs(), options));
  if (!part.ok()) {
    (void)fs_.remove_all(directory);
    return part.take_error();
  }
  return publish_shards(directory, flat, *part, options);
}

Result<SavedCheckpoint> CheckpointKeeper::publish_shards(const std::string& directory,
                                                         const FlatState& flat,
                                                         const FileRecord& own,
                                                         const SaveOptions& options) {
  const std::vector<std::string> texts = world_.gather(file_record_text(own));
  const auto finish = [&]() -> Result<SavedCheckpoint> {
    std::vector<FileRecord> parts;
    for (const std::string& text : texts)
      parts.push_back(BALLAST_TRY(parse_file_record(text, directory)));
    SavedCheckpoint saved =
        BALLAST_TRY(finish_checkpoint(fs_, config_.typed.run, directory, config_.model,
                                      engine_.table(), flat, state_.counters(), parts, options));
    BALLAST_TRY(retain());
    return saved;
  };
  return world_.agree(world_.leads() ? finish() : Result<SavedCheckpoint>(SavedCheckpoint()));
}

Result<std::string> CheckpointKeeper::load(
    const std::string& path, const std::function<Result<void>(const TrainState&)>& admit) {
  const LoadedCheckpoint stored = BALLAST_TRY(load_checkpoint_state(fs_, path));
  BALLAST_TRY(admit(stored.state));
  LoadedCheckpoint loaded = BALLAST_TRY(load_tensors(path));
  engine_.model().prepare_weights();
  // Where it cannot, the backend is another one, and the warning says so.
  take_product_choices(engine_.backend(), loaded.state.environment.value("products", ""));
  warn_of_other_bits(loaded.state.environment);
  BALLAST_TRY(state_.adopt(std::move(loaded.state)));
  last_saved_step_ = state_.counters().step;
  return loaded.manifest_hash;
}

Result<LoadedCheckpoint> CheckpointKeeper::load_tensors(const std::string& path) {
  HostState host(engine_.table().flat_size, engine_.layout());
  const MutableFlatState flat = host.prepare(engine_.buffers());
  LoadedCheckpoint loaded = BALLAST_TRY(load_checkpoint(fs_, path, engine_.table(), flat));
  if (flat.m2 != nullptr && !holds_state(loaded.manifest, "m2"))
    return corrupt_error("checkpoint holds no slow moment", path, "the run uses ademamix");
  host.give(engine_.backend(), engine_.buffers());
  return loaded;
}

void CheckpointKeeper::warn_of_other_bits(const Json& there) const {
  const Json& here = state_.environment();
  const bool any_world = config_.typed.deterministic == "world";
  for (const char* key : {"backend", "deterministic", "ranks", "sums"}) {
    if (!there.contains(key) || there.at(key) == here.at(key)) continue;
    if (any_world && std::string_view(key) == "ranks") continue;
    print_warning(fmt::format("not bit-exact: {} was {} for the checkpoint and is {} now", key,
                              there.at(key).dump(), here.at(key).dump()));
  }
}

}  // namespace ballast
