#include "libcore/checkpoint/retention.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <random>

#include "libcore/base/units.h"
#include "libcore/checkpoint/journal.h"
#include "libcore/checkpoint/store.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

Result<void> parse_rule(std::string_view rule, RetentionPolicy& policy, const std::string& flag) {
  const auto number = [&](std::string_view digits, int64_t& into) {
    const auto count = parse_count(digits);
    if (!count.ok() || *count < 1) return false;
    into = *count;
    return true;
  };
  if (rule == "pinned") return {};
  if (rule == "all") {
    policy.all = true;
    return {};
  }
  if (rule.starts_with("last=") && number(rule.substr(5), policy.last)) return {};
  if (rule.starts_with("every=") && number(rule.substr(6), policy.every)) return {};
  return usage_error("malformed retention rule '" + printable(rule) + "'", flag,
                     "accepted: all, last=K, every=M, pinned; K and M at least 1");
}

bool is_leftover(std::string_view name) {
  return name.starts_with(".trash-") ||
         (name.starts_with("step-") && name.find(".tmp-") != std::string_view::npos) ||
         name.starts_with("latest.tmp-");
}

std::string reason_to_keep(const RetentionFacts& fact, const RetentionPolicy& policy,
                           bool is_newest, bool is_way_back, int64_t rank) {
  if (!fact.complete) return "incomplete";
  if (is_newest) return "newest";
  if (is_way_back) return "way back";
  if (fact.pinned) return "pinned";
  if (fact.rollback_parent) return "rollback parent";
  if (policy.all) return "all";
  if (rank < policy.last) return fmt::format("last={}", policy.last);
  if (policy.every > 0 && fact.step % policy.every == 0)
    return fmt::format("every={}", policy.every);
  return "";
}

std::vector<bool> ways_back(const std::vector<RetentionFacts>& facts,
                            const RetentionPolicy& policy) {
  std::vector<bool> stays(facts.size(), false);
  for (const int64_t step : policy.way_back) {
    std::optional<size_t> old_enough, next;
    for (size_t i = 0; i < facts.size() && !next; ++i) {
      if (!facts[i].complete) continue;
      (facts[i].step <= step ? old_enough : next) = i;
    }
    if (old_enough) stays[*old_enough] = true;
    if (next) stays[*next] = true;
  }
  return stays;
}

}  // namespace

Result<RetentionPolicy> parse_retention(std::string_view text, const std::string& flag) {
  RetentionPolicy policy;
  while (true) {
    const size_t comma = text.find(',');
    BALLAST_TRY(parse_rule(text.substr(0, comma), policy, flag));
    if (comma == std::string_view::npos) return policy;
    text.remove_prefix(comma + 1);
  }
}

std::vector<RetentionDecision> decide_retention(const std::vector<RetentionFacts>& facts,
                                                const RetentionPolicy& policy) {
  std::vector<RetentionDecision> decisions(facts.size());
  int64_t rank = 0;  // among the complete ones, the newest first
  const std::vector<bool> way_back = ways_back(facts, policy);
  for (size_t i = facts.size(); i-- > 0;) {
    decisions[i].step = facts[i].step;
    decisions[i].reason = reason_to_keep(facts[i], policy, rank == 0, way_back[i], rank);
    decisions[i].keep = !decisions[i].reason.empty();
    if (facts[i].complete) ++rank;
  }
  return decisions;
}

Result<std::vector<RetentionDecision>> apply_retention(FileSystem& fs, const std::string& run,
                                                       const RetentionPolicy& policy, bool apply) {
  const JournalContents journal = BALLAST_TRY(read_journal(fs, run));
  const std::vector<int64_t> parents = rollback_parents(journal);
  const std::vector<CheckpointEntry> entries = BALLAST_TRY(list_checkpoints(fs, run));
  std::vector<RetentionFacts> facts;
  for (const CheckpointEntry& entry : entries) {
    const bool parent = std::ranges::find(parents, entry.step) != parents.end();
    facts.push_back({entry.step, entry.complete, !entry.pins.empty(), parent});
  }
  std::vector<RetentionDecision> decisions = decide_retention(facts, policy);
  for (size_t i = 0; apply && i < decisions.size(); ++i) {
    if (!decisions[i].keep) BALLAST_TRY(discard_directory(fs, entries[i].path));
  }
  return decisions;
}

Result<void> discard_directory(FileSystem& fs, const std::string& path) {
  std::random_device random;
  const std::string parent = parent_directory(path);
  const std::string trash =
      join_path(parent, fmt::format(".trash-{}-{}-{:08x}", file_name(path), ::getpid(), random()));
  BALLAST_TRY(fs.rename_exclusive(path, trash));
  BALLAST_TRY(fs.sync_directory(parent));
  return fs.remove_all(trash);
}

Result<std::vector<std::string>> remove_incomplete(FileSystem& fs, const std::string& run,
                                                   bool apply) {
  std::vector<std::string> names;
  const std::string directory = checkpoint_directory(run);
  if (!fs.exists(directory)) return names;
  for (const std::string& name : BALLAST_TRY(fs.list(directory))) {
    const std::string path = join_path(directory, name);
    const bool leftover = is_leftover(name);
    if (!leftover && (step_of_directory(name) < 0 || check_complete(fs, path).ok())) continue;
    names.push_back(name);
    if (!apply) continue;
    if (leftover) {
      BALLAST_TRY(fs.remove_all(path));
    } else {
      BALLAST_TRY(discard_directory(fs, path));
    }
  }
  return names;
}

Result<std::vector<std::string>> clean_leftovers(FileSystem& fs, const std::string& run) {
  std::vector<std::string> names;
  const std::string directory = checkpoint_directory(run);
  if (!fs.exists(directory)) return names;
  for (const std::string& name : BALLAST_TRY(fs.list(directory))) {
    if (!is_leftover(name)) continue;
    BALLAST_TRY(fs.remove_all(join_path(directory, name)));
    names.push_back(name);
  }
  return names;
}

}  // namespace ballast
