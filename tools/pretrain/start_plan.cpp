#include "tools/pretrain/start_plan.h"

#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/forks.h"
#include "libcore/checkpoint/rollback.h"
#include "libcore/checkpoint/store.h"

namespace ballast {
namespace {

// The checkpoint that --resume STEP names, unless the run goes on from another one.
Result<std::optional<CheckpointRef>> checkpoint_wanted(FileSystem& fs, const RunConfig& config,
                                                       std::optional<CheckpointRef> newest) {
  const std::string &run = config.typed.run, &resume = config.typed.resume;
  if (resume == "never" && newest.has_value())
    return usage_error("the run has checkpoints already", run,
                       "--resume never starts only new runs");
  if (resume == "auto" || resume == "never") return newest;
  const int64_t step = BALLAST_TRY(parse_count(resume));
  CheckpointRef wanted = BALLAST_TRY(resolve_checkpoint(fs, fmt::format("{}@{}", run, step)));
  if (newest.has_value() && newest->step != wanted.step) {
    return usage_error(fmt::format("--resume {}: the run goes on from step {}", step, newest->step),
                       run, "go back with `ckpt rollback` first");
  }
  return std::optional(std::move(wanted));
}

// Published checkpoints are complete, so a run that has only unusable ones was damaged later.
// Starting it anew without a word would cost whatever it was worth.
Result<void> refuse_damaged_run(FileSystem& fs, const std::string& run) {
  const std::vector<CheckpointEntry> entries = BALLAST_TRY(list_checkpoints(fs, run));
  if (entries.empty()) return {};
  return corrupt_error("no checkpoint of the run is usable", entries.back().path,
                       entries.back().why);
}

// A run that dies again and again before its next checkpoint computes the same steps for ever.
Result<void> check_progress(FileSystem& fs, const RunConfig& config, int64_t step) {
  constexpr int64_t kRestarts = 3;
  if (config.ladder.off() || step >= config.total_steps) return {};
  const std::string& run = config.typed.run;
  const JournalContents contents = BALLAST_TRY(read_journal(fs, run));
  if (restarts_without_progress(contents) < kRestarts) return {};
  const std::string reason = fmt::format("{} restarts made no progress", kRestarts);
  BALLAST_TRY(append_journal(fs, run, "guard-stop", {{"step", step}, {"reason", reason}}));
  return Error{ErrorKind::guard, reason, run,
               fmt::format("the newest checkpoint is of step {}; see what ended them, then start "
                           "again or save more often",
                           step)};
}

}  // namespace

Result<StartPlan> plan_start(FileSystem& fs, const RunConfig& config) {
  const ResumePlan resume = BALLAST_TRY(plan_resume(fs, config.typed.run));
  const std::optional<CheckpointRef> from =
      BALLAST_TRY(checkpoint_wanted(fs, config, resume.checkpoint));
  if (!from.has_value()) BALLAST_TRY(refuse_damaged_run(fs, config.typed.run));
  BALLAST_TRY(check_progress(fs, config, from.has_value() ? from->step : 0));
  StartPlan plan;
  plan.segment = resume.segment;
  plan.skip = resume.add_skip;
  if (from.has_value()) plan.checkpoint = from->path;
  if (resume.rollback.has_value()) plan.parent = resume.rollback->parent_segment;
  return plan;
}

Json to_json(const StartPlan& plan) {
  Json json = {{"segment", plan.segment}, {"checkpoint", plan.checkpoint}, {"skip", Json::array()}};
  if (plan.parent) json["parent"] = *plan.parent;
  for (const SkipRange& range : plan.skip)
    json["skip"].push_back(Json::array({range.begin, range.end}));
  return json;
}

StartPlan start_plan_of(const Json& json) {
  StartPlan plan;
  plan.segment = json.at("segment").get<int64_t>();
  plan.checkpoint = json.at("checkpoint").get<std::string>();
  if (json.contains("parent")) plan.parent = json.at("parent").get<int64_t>();
  for (const Json& range : json.at("skip"))
    plan.skip.push_back({range[0].get<int64_t>(), range[1].get<int64_t>()});
  return plan;
}

}  // namespace ballast
