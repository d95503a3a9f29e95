#include <fmt/format.h>

#include "libcore/checkpoint/lease.h"
#include "libcore/checkpoint/retention.h"
#include "tools/ckpt/verbs.h"

namespace ballast {
namespace {

struct PruneOptions {
  std::string run;
  std::string keep;
  bool incomplete = false;
};

void print_decision(const RetentionDecision& decision, bool as_json) {
  const char* what = decision.keep ? "keep" : "remove";
  if (as_json) {
    print_out(
        to_json_line(
            {{"v", 1}, {"step", decision.step}, {"action", what}, {"reason", decision.reason}}) +
        "\n");
  } else {
    print_out(fmt::format("{:<7} {:>9}{}\n", what, decision.step,
                          decision.reason.empty() ? "" : "  " + decision.reason));
  }
}

void print_leftover(const std::string& name, bool as_json) {
  if (as_json) {
    print_out(to_json_line({{"v", 1}, {"name", name}, {"action", "remove"}}) + "\n");
  } else {
    print_out(fmt::format("remove  {}\n", name));
  }
}

Result<void> prune_incomplete(FileSystem& fs, const PruneOptions& options,
                              const CommonOptions& common) {
  // A run that is going on may be writing one of them.
  std::optional<Lease> lease;
  if (!common.dry_run) lease.emplace(BALLAST_TRY(Lease::acquire(fs, options.run, "ckpt prune")));
  const auto names = BALLAST_TRY(remove_incomplete(fs, options.run, !common.dry_run));
  for (const std::string& name : names) print_leftover(name, common.json);
  return {};
}

Result<int> prune(const PruneOptions& options, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  if (options.keep.empty() && !options.incomplete) {
    return usage_error("nothing to do", "prune", "give --keep POLICY or --incomplete");
  }
  RetentionPolicy policy;
  if (!options.keep.empty()) policy = BALLAST_TRY(parse_retention(options.keep, "--keep"));
  if (!fs.exists(options.run)) return io_error("no such run", options.run);
  if (options.incomplete) BALLAST_TRY(prune_incomplete(fs, options, common));
  if (!options.keep.empty()) {
    // The plan is said before anything goes.
    const auto plan = BALLAST_TRY(apply_retention(fs, options.run, policy, false));
    for (const RetentionDecision& decision : plan) print_decision(decision, common.json);
    if (!common.dry_run) BALLAST_TRY(apply_retention(fs, options.run, policy, true));
  }
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_prune(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<PruneOptions>();
  path_option(app.add_option("run", options->run, "run directory")->required());
  app.add_option("--keep", options->keep, "all, or a list of last=K, every=M, pinned");
  app.add_flag("--incomplete", options->incomplete,
               "remove what killed processes left, and checkpoints without a usable manifest");
  return [options, &common] { return prune(*options, common); };
}

}  // namespace ballast
