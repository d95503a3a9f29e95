#include "tools/pretrain/methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"
#include "libcore/checkpoint/journal.h"
#include "libcore/checkpoint/store.h"

namespace ballast {
namespace {

// What --data names, in its order.
std::vector<std::string> set_names(const RunConfig& c) {
  std::vector<std::string> names;
  for (const SourceConfig& source : c.sources)
    if (names.size() == source.word) names.push_back(source.set);
  return names;
}

// `weights=` of a phase: A:B:... in the order of --data, or one weights.NAME=X for each named
// source.
Result<PhaseConfig> parse_phase(const std::string& text, const RunConfig& c) {
  StrategySpec spec = BALLAST_TRY(StrategySpec::parse("phase:" + text, "--phase"));
  PhaseConfig phase;
  phase.from_tokens = BALLAST_TRY(spec.take_count("from", 0, 0, int64_t{1} << 61));
  if (spec.has("seed"))
    phase.seed = static_cast<uint64_t>(BALLAST_TRY(spec.take_count("seed", 0, 0, INT64_MAX)));
  const std::string list = spec.take_text("weights", "");
  std::vector<std::string> words;
  for (std::string_view rest = list; !list.empty();) {
    const size_t colon = rest.find(':');
    words.emplace_back(rest.substr(0, colon));
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  const std::vector<std::string> sets = set_names(c);
  if (!words.empty() && words.size() != sets.size())
    return usage_error(fmt::format("--phase: {} weights for {} sources", words.size(), sets.size()),
                       "", text);
  std::vector<double> weights;
  for (size_t i = 0; i < sets.size(); ++i) {
    const std::string word = words.empty() ? spec.take_text("weights." + sets[i], "0") : words[i];
    const Result<double> weight = parse_double(word);
    if (!weight.ok() || *weight < 0)
      return usage_error("--phase: weight is not a number >= 0", "", word);
    weights.push_back(*weight);
  }
  for (const SourceConfig& source : c.sources)
    phase.weights.push_back(weights[source.word] * source.share);
  BALLAST_TRY(spec.finish());
  phase.first_sample = c.batches.round_up(phase.from_tokens) / c.seq_len;
  if (phase.first_sample == 0)
    return usage_error("--phase: from= is missing or 0", "",
                       "the weights from the beginning on are those of --data");
  return phase;
}

Result<Schedule> resolve_schedule(FileSystem& fs, const TrainOptions& o, const RunConfig& c) {
  if (o.schedule.starts_with("file:")) {
    if (!o.cooldown.empty())
      return usage_error("--cooldown with --schedule file:", "", "the file says it all");
    const std::string path = o.schedule.substr(5);
    const std::string text = BALLAST_TRY(read_file(fs, path, int64_t{1} << 26));
    return parse_schedule_file(text, path, o.lr, c.total_tokens());
  }
  const int64_t constant_batch = c.batches.constant() ? c.batches.first() : 0;
  Schedule schedule =
      BALLAST_TRY(make_schedule(o.schedule, o.lr, c.total_tokens(), constant_batch));
  if (o.cooldown.empty()) return schedule;
  if (schedule.kind != ScheduleKind::wsd)
    return usage_error("--cooldown with another schedule than wsd", "", o.schedule);
  // From the branch on; the warm-up lies behind it.
  schedule.cooldown_tokens = c.total_tokens() - c.branch->tokens;
  schedule.warmup_tokens = std::min(schedule.warmup_tokens, c.branch->tokens);
  return schedule;
}

}  // namespace

// A run that has begun knows from its journal where: the other run may have pruned that checkpoint.
Result<void> resolve_branch(FileSystem& fs, const TrainOptions& o, RunConfig& c) {
  if (o.branch.empty()) return {};
  BranchOrigin branch;
  branch.address = o.branch;
  if (!o.run.empty()) {
    for (const JournalRecord& record : BALLAST_TRY(read_journal(fs, o.run)).records) {
      if (record.event != "branch") continue;
      const std::string where = join_path(o.run, kJournalName);
      const std::string address = BALLAST_TRY(string_member(record.object, "address", where));
      if (address != o.branch)
        return usage_error(fmt::format("--branch {}: the run is a branch of {}", o.branch, address),
                           o.run);
      branch.tokens = BALLAST_TRY(integer_member(record.object, "tokens", where));
      c.branch = std::move(branch);
      return {};
    }
  }
  branch.checkpoint = BALLAST_TRY(resolve_checkpoint(fs, o.branch));
  branch.tokens = BALLAST_TRY(load_checkpoint_state(fs, branch.checkpoint->path)).state.tokens;
  c.branch = std::move(branch);
  return {};
}

Result<void> resolve_cooldown_length(const TrainOptions& o, RunConfig& c) {
  if (!c.branch)
    return usage_error("--cooldown without --branch", "", "a schedule has its own cooldown=");
  if (!o.steps.empty() || !o.tokens.empty())
    return usage_error("--cooldown gives the run its length", "", "leave --steps and --tokens out");
  const Result<Length> length = parse_length(o.cooldown);
  if (!length.ok() || length->count < 1 || length->count > int64_t{1} << 61)
    return usage_error("--cooldown is '" + o.cooldown + "'", "",
                       "accepted: tokens (2B) or steps (500steps)");
  if (length->steps && !c.batches.constant())
    return usage_error("--cooldown in steps with a batch that changes", "", "give tokens");
  const int64_t unit = length->steps ? c.batches.first() : 1;
  if (length->count > (int64_t{1} << 61) / unit)
    return usage_error("the run has more than 2^62 tokens", "--cooldown");
  c.total_steps = c.batches.steps_for(c.branch->tokens + length->count * unit);
  return {};
}

Result<void> resolve_phases(const TrainOptions& o, RunConfig& c) {
  for (const std::string& text : o.phases) c.phases.push_back(BALLAST_TRY(parse_phase(text, c)));
  if (!(o.max_epochs >= 0) || !std::isfinite(o.max_epochs))
    return usage_error("--max-epochs must be a number >= 0");
  return {};
}

Result<void> resolve_methods(FileSystem& fs, const TrainOptions& o, RunConfig& c) {
  c.optimizer = BALLAST_TRY(parse_optimizer(o.optimizer, c.total_steps));
  c.schedule = BALLAST_TRY(resolve_schedule(fs, o, c));
  c.clip = BALLAST_TRY(make_clipper(o.clip))->spec();
  c.averages = BALLAST_TRY(parse_averages(o.swa, o.ema));
  if (!o.goldfish.empty())
    c.goldfish = std::make_shared<const Goldfish>(BALLAST_TRY(Goldfish::parse(o.goldfish)));
  return {};
}

}  // namespace ballast
