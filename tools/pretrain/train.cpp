#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
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

Result<int> train(const TrainOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  RunConfig config = BALLAST_TRY(resolve(fs, options, common.seed, true));
  if (common.dry_run) {
    print_out(config.toml());
    return kExitDone;
  }
  const auto trainer = BALLAST_TRY(Trainer::open(fs, std::move(config), common));
  const RunResult result = BALLAST_TRY(trainer->run());
  const bool guard = result.exit_code == kExitGuard;
  // Without --json the error says it all; with --trace - stdout is the trace.
  if (options.trace != "-" && (common.json || !guard)) print_result(result, common);
  if (guard) return Error{ErrorKind::guard, result.reason, options.run, ""};
  return result.exit_code;
}

}  // namespace

VerbRun add_train(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<TrainOptions>();
  add_train_options(app, *options);
  return [options, &common] { return train(*options, common); };
}

}  // namespace ballast
