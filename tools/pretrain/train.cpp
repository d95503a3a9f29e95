#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "kernels/launch.h"
#include "libcore/base/device_error.h"
#include "libcore/base/units.h"
#include "libcore/checkpoint/journal.h"
#include "libcore/cli/message.h"
#include "libcore/io/atomic_file.h"
#include "libcore/shard/format.h"
#include "libcore/trace/writer.h"
#include "tools/pretrain/control.h"
#include "tools/pretrain/trainer.h"
#include "tools/pretrain/verbs.h"

namespace ballast {
namespace {

void print_result(const RunResult& result, const CommonOptions& common) {
  if (common.json) {
    Json line = {{"v", 1},
                 {"step", result.step},
                 {"exit_code", result.exit_code},
                 {"reason", result.reason}};
    if (result.last_loss) line["loss"] = json_number(*result.last_loss);
    if (result.validation_loss) line["validation_loss"] = json_number(*result.validation_loss);
    print_out(to_json_line(line) + "\n");
    return;
  }
  std::string text = fmt::format("step {}", result.step);
  if (result.last_loss) text += fmt::format("  loss {:.4f}", *result.last_loss);
  if (result.validation_loss) text += fmt::format("  validation {:.4f}", *result.validation_loss);
  if (!result.reason.empty()) text += "  (" + result.reason + ")";
  print_out(text + "\n");
}

// The copy of the trace is appended to its file, which must be none that the run lives from.
Result<void> check_trace_copy(FileSystem& fs, const TrainOptions& options,
                              const RunConfig& config) {
  if (options.trace.empty() || options.trace == "-") return {};
  std::vector<std::string> inputs = {options.model, options.tokenizer};
  for (const char* name : {"config.toml", kTraceFileName, kJournalName})
    inputs.push_back(join_path(options.run, name));
  std::vector<std::string> shards;
  for (const auto& shard : config.validation) shards.push_back(shard->prefix());
  for (const SourceConfig& source : config.sources) shards.push_back(source.prefix);
  for (std::string& path : shard_paths(shards)) inputs.push_back(std::move(path));
  std::erase_if(inputs, [&](const std::string& path) { return !fs.exists(path); });
  BALLAST_TRY(refuse_output_over_input(fs, options.trace, inputs));
  std::error_code failure;  // the run's own trace, before there is one
  const auto own = join_path(options.run, kTraceFileName);
  if (std::filesystem::weakly_canonical(options.trace, failure) ==
      std::filesystem::weakly_canonical(own, failure))
    return usage_error("--trace is the trace that the run writes itself", options.trace,
                       "name another file for the copy");
  return {};
}

Result<RunConfig> configure(FileSystem& fs, const TrainOptions& options, int64_t seed) {
  TrainOptions changed = options;
  BALLAST_TRY(apply_changes(changed));
  RunConfig config = BALLAST_TRY(resolve(fs, changed, seed, true));
  BALLAST_TRY(check_trace_copy(fs, options, config));
  return config;
}

Result<int> report(const RunResult& result, const TrainOptions& options,
                   const CommonOptions& common) {
  const bool hardware = result.exit_code == kExitHardware;
  const bool guard = result.exit_code == kExitGuard || hardware;
  // Without --json the error says it all; with --trace - stdout is the trace.
  if (options.trace != "-" && (common.json || !guard)) print_result(result, common);
  if (guard) {
    return Error{hardware ? ErrorKind::hardware : ErrorKind::guard, result.reason, options.run,
                 hardware ? "the state before it is saved; go on with another device" : ""};
  }
  if (result.trace_lost && result.exit_code == kExitDone)
    return io_error("the trace is incomplete", "standard output",
                    "the run is done, its whole trace is RUN/trace.jsonl");
  return result.exit_code;
}

Result<int> train_over(World& world, Result<RunConfig> resolved, const TrainOptions& options,
                       const CommonOptions& common) {
  const RunConfig config = BALLAST_TRY(world.agree(std::move(resolved)));
  for (const std::string& note : config.notes) print_note(note);
  const auto trainer = BALLAST_TRY(Trainer::open(world, config));
  const RunResult result = BALLAST_TRY(trainer->run());
  world.leave();
  return world.leads() ? report(result, options, common) : result.exit_code;
}

Result<int> train(const TrainOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  auto config = configure(fs, options, common.seed);
  if (common.dry_run) {
    if (config.ok()) print_out(config->toml());
    return config.ok() ? Result<int>(kExitDone) : config.take_error();
  }
  // Alone there is nobody to tell; of several ranks one may fail here and the others must know.
  const LaunchPlace place = BALLAST_TRY(launch_place());
  if (!config.ok() && place.size == 1) return config.take_error();
  Control::take_signals();
  const auto world =
      BALLAST_TRY(World::open(fs, options.device, config.ok() ? config->compute : Dtype::f32,
                              options.transport, options.deterministic == "world", common.threads));
  Error error;
  try {
    Result<int> outcome = train_over(*world, std::move(config), options, common);
    if (outcome.ok() || world->alone()) return outcome;
    error = outcome.take_error();
  } catch (const DeviceError& failure) {
    error = {ErrorKind::device, failure.what(), {}, {}};
  }
  std::optional<Error> own = world->end_with(error);
  return own.has_value() ? Result<int>(std::move(*own)) : exit_code_of(error.kind);
}

}  // namespace

VerbRun add_train(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<TrainOptions>();
  add_train_options(app, *options);
  return [options, &common, &app] {
    apply_recipe(app, *options);
    return train(*options, common);
  };
}

}  // namespace ballast
