#include "libcore/checkpoint/rollback.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include "libcore/base/units.h"
#include "libcore/checkpoint/lease.h"
#include "libcore/cli/message.h"
#include "tools/ckpt/incidents.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

struct RollbackOptions {
  std::string run;
  std::string incidents;  // path or "-"
  int64_t to = -1;
  std::string before_incident;
  int64_t margin = 1000;
  std::vector<std::string> skip;
  std::string reason;
};

Result<void> check_options(const RollbackOptions& options, bool dry_run, FileSystem& fs) {
  if ((options.to < 0) == options.before_incident.empty()) {
    return usage_error("where to go back to is not said", "rollback",
                       "give either --to STEP or --before-incident last|ID");
  }
  if (!options.incidents.empty() && options.before_incident.empty())
    return usage_error("incidents are read only with --before-incident", options.incidents);
  if (options.reason.empty() && !dry_run) return usage_error("a reason is missing", "--reason");
  if (!fs.exists(options.run)) return io_error("no such run", options.run);
  return {};
}

std::string operator_name() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_name : std::to_string(::getuid());
}

Result<RunTrouble> find_incident(FileSystem& fs, const RollbackOptions& options) {
  const auto incidents = options.incidents.empty()
                             ? BALLAST_TRY(detect_incidents(fs, options.run))
                             : BALLAST_TRY(read_incidents(fs, options.incidents));
  return choose_incident(incidents, options.before_incident);
}

std::string ranges_text(const std::vector<SkipRange>& ranges) {
  std::string text;
  for (const SkipRange& range : ranges)
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", range.begin, range.end);
  return text.empty() ? "none" : text;
}

void print_plan(const RollbackPlan& plan, int64_t onset, const CommonOptions& common) {
  if (common.json) {
    Json skip = Json::array(), all = Json::array();
    for (const SkipRange& range : plan.skip) skip.push_back({range.begin, range.end});
    for (const SkipRange& range : plan.skip_all) all.push_back({range.begin, range.end});
    Json json{{"v", 1}, {"step", plan.parent.step}, {"path", plan.parent.path}};
    if (onset >= 0) json["onset"] = onset;
    json["segment"] = plan.segment;
    json["abandoned"] = plan.abandoned;
    json["moves"] = plan.moves;
    json["skip"] = std::move(skip);
    json["skip_ranges"] = std::move(all);
    json["done"] = !common.dry_run;
    print_out(to_json_line(json) + "\n");
    return;
  }
  if (onset >= 0) print_out(fmt::format("onset    step {}\n", onset));
  print_out(fmt::format("parent   step {} ({})\n", plan.parent.step, plan.parent.path));
  print_out(fmt::format("segment  {}, leaving segment {}\n", plan.segment, plan.abandoned));
  for (const std::string& name : plan.moves)
    print_out(fmt::format("move     {} to abandoned/seg-{}\n", name, plan.abandoned));
  print_out(
      fmt::format("skip     {} (all: {})\n", ranges_text(plan.skip), ranges_text(plan.skip_all)));
}

// --to names an exact step; an incident asks for the newest one that is far enough before it.
Result<RollbackPlan> make_plan(FileSystem& fs, const RollbackOptions& options,
                               const std::optional<RunTrouble>& incident) {
  const int64_t onset = incident ? incident->onset : -1;
  const int64_t at_most = onset < 0 ? options.to : onset - options.margin;
  auto plan = plan_rollback(fs, options.run, at_most, {});
  if (onset < 0 && (!plan.ok() || plan->parent.step != options.to)) {
    BALLAST_TRY(resolve_checkpoint(fs, fmt::format("{}@{}", options.run, options.to)));
  }
  const RollbackPlan bare = BALLAST_TRY(std::move(plan));
  std::vector<SkipRange> skip;
  for (const std::string& text : options.skip)
    skip.push_back(BALLAST_TRY(
        parse_skip(fs, options.run, text, incident ? &*incident : nullptr, bare.skip_all)));
  return plan_rollback(fs, options.run, bare.parent.step, skip);
}

Result<int> rollback(const RollbackOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  BALLAST_TRY(check_options(options, common.dry_run, fs));
  std::optional<Lease> lease;
  if (!common.dry_run) lease.emplace(BALLAST_TRY(Lease::acquire(fs, options.run, "ckpt rollback")));
  Json details{{"by", operator_name()}};
  std::optional<RunTrouble> incident;
  if (!options.before_incident.empty()) incident = BALLAST_TRY(find_incident(fs, options));
  const int64_t onset = incident ? incident->onset : -1;
  if (incident) {
    if (incident->abandoned)
      print_note(
          fmt::format("the incident at step {} is on a branch that the run has left", onset));
    details["incident"] = incident->id;
    details["onset"] = onset;
    details["margin"] = options.margin;
  }
  auto plan = make_plan(fs, options, incident);
  if (!plan.ok() && plan.error().kind == ErrorKind::insufficient && onset >= 0 &&
      options.margin > 0)
    print_hint(fmt::format("the onset is step {}; --margin below {} reaches further", onset,
                           options.margin));
  const RollbackPlan made = BALLAST_TRY(std::move(plan));
  print_plan(made, onset, common);
  if (common.dry_run) return static_cast<int>(kExitDone);
  const auto pending = BALLAST_TRY(pending_rollback(fs, options.run));
  if (pending)
    print_warning(fmt::format("replaces the rollback to step {} that the run has not taken up",
                              pending->step));
  BALLAST_TRY(execute_rollback(fs, options.run, made, options.reason, details));
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_rollback(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<RollbackOptions>();
  path_option(app.add_option("run", options->run, "run directory")->required());
  path_option(app.add_option("incidents", options->incidents,
                             "JSON Lines of gradstat spikes --json; - is stdin; without it the "
                             "run's own trace is judged"));
  app.add_option("--to", options->to, "step of the checkpoint to go back to")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--before-incident", options->before_incident,
                 "last, or the id of an incident: go back to before its onset");
  app.add_option("--margin", options->margin, "at least so many steps before the onset")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option(
      "--skip", options->skip,
      "never feed these samples: onset:+Nb (N batches from the onset) or A:B; repeatable");
  app.add_option("--reason", options->reason, "why, for the journal; required except with -n");
  return [options, &common] { return rollback(*options, common); };
}

}  // namespace ballast
