#include "libcore/checkpoint/rollback.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/checkpoint/json_fields.h"
#include "libcore/checkpoint/retention.h"
#include "libcore/checkpoint/store.h"

namespace ballast {
namespace {

std::string abandoned_directory(int64_t segment) {
  return fmt::format("abandoned/seg-{}", segment);
}

// Moves one step directory of RUN/ckpt. Its pins go first: a repetition after a crash finds the
// directory still there, but would not look for the pins of one that is gone.
Result<void> abandon(FileSystem& fs, const std::string& run, const std::string& name,
                     int64_t segment) {
  const std::string moved = abandoned_directory(segment) + "/" + name;
  for (const Pin& pin : BALLAST_TRY(read_pins(fs, run))) {
    if (pin.directory == "ckpt/" + name) BALLAST_TRY(write_pin(fs, run, {pin.name, moved}));
  }
  const std::string from = join_path(checkpoint_directory(run), name), to = join_path(run, moved);
  // After a power cut a rename between two directories may be there in one of them only, so that
  // both hold the checkpoint.
  const auto ours = read_file(fs, join_path(from, kManifestName));
  const auto theirs = read_file(fs, join_path(to, kManifestName));
  if (ours.ok() && theirs.ok() && *ours == *theirs) return discard_directory(fs, from);
  return fs.rename_exclusive(from, to);
}

// Steps after the parent, complete or not.
Result<std::vector<std::string>> later_directories(FileSystem& fs, const std::string& run,
                                                   int64_t step) {
  std::vector<std::pair<int64_t, std::string>> later;
  for (const std::string& name : BALLAST_TRY(fs.list(checkpoint_directory(run)))) {
    const int64_t other = step_of_directory(name);
    if (other > step) later.emplace_back(other, name);
  }
  std::ranges::sort(later);
  std::vector<std::string> names;
  for (auto& [other, name] : later) names.push_back(std::move(name));
  return names;
}

// The segment whose work is thrown away: that of the newest checkpoint, or of the last record.
int64_t current_segment(const JournalContents& journal,
                        const std::vector<CheckpointEntry>& entries) {
  int64_t segment = std::max<int64_t>(0, next_segment(journal) - 1);
  for (const CheckpointEntry& entry : entries) {
    if (entry.complete) segment = std::max(segment, entry.manifest.segment);
  }
  return segment;
}

Result<void> abandon_later(FileSystem& fs, const std::string& run, int64_t step, int64_t segment) {
  const std::vector<std::string> names = BALLAST_TRY(later_directories(fs, run, step));
  if (names.empty()) return {};
  const std::string folder = join_path(run, abandoned_directory(segment));
  BALLAST_TRY(fs.make_directories(folder));
  BALLAST_TRY(fs.sync_directory(run));
  BALLAST_TRY(fs.sync_directory(parent_directory(folder)));
  for (const std::string& name : names) BALLAST_TRY(abandon(fs, run, name, segment));
  BALLAST_TRY(fs.sync_directory(folder));
  return fs.sync_directory(checkpoint_directory(run));
}

// Idempotent, like finish_rollback().
Result<void> finish_restore(FileSystem& fs, const std::string& run, int64_t step, int64_t segment) {
  BALLAST_TRY(abandon_later(fs, run, step, segment));
  const auto newest = BALLAST_TRY(newest_checkpoint(fs, run));
  return newest ? write_latest(fs, run, step_directory_name(newest->step)) : Result<void>();
}

// A restore that no start or resume line has followed.
Result<void> finish_pending_restore(FileSystem& fs, const std::string& run,
                                    const JournalContents& journal) {
  const JournalRecord* pending = nullptr;
  for (const JournalRecord& record : journal.records) {
    if (record.event == "restore") pending = &record;
    if (record.event == "start" || record.event == "resume" || record.event == "rollback")
      pending = nullptr;
  }
  if (pending == nullptr) return {};
  const std::string where = fmt::format("{}:{}", kJournalName, pending->seq);
  const int64_t step = BALLAST_TRY(count_field(pending->object, "step", where));
  const int64_t segment = BALLAST_TRY(count_field(pending->object, "abandoned", where));
  return finish_restore(fs, run, step, segment);
}

Json skip_json(const std::vector<SkipRange>& ranges) {
  Json json = Json::array();
  for (const SkipRange& range : ranges) json.push_back(Json::array({range.begin, range.end}));
  return json;
}

}  // namespace

Result<RollbackPlan> plan_rollback(FileSystem& fs, const std::string& run, int64_t at_most,
                                   const std::vector<SkipRange>& skip) {
  const std::vector<CheckpointEntry> entries = BALLAST_TRY(list_checkpoints(fs, run));
  const JournalContents journal = BALLAST_TRY(read_journal(fs, run));
  const CheckpointEntry* parent = nullptr;
  const CheckpointEntry* oldest = nullptr;
  for (const CheckpointEntry& entry : entries) {
    if (!entry.complete) continue;
    if (oldest == nullptr) oldest = &entry;
    if (entry.step <= at_most) parent = &entry;
  }
  if (parent == nullptr) {
    return insufficient_error(
        fmt::format("no complete checkpoint at or before step {}", at_most), run,
        oldest == nullptr ? "there is none"
                          : fmt::format("the oldest is of step {}", oldest->step));
  }
  RollbackPlan plan;
  plan.parent = {run, parent->path, parent->step};
  plan.parent_segment = parent->manifest.segment;
  plan.abandoned = current_segment(journal, entries);
  plan.segment = plan.abandoned + 1;
  plan.moves = BALLAST_TRY(later_directories(fs, run, parent->step));
  for (const SkipRange& range : skip) add_skip_range(plan.skip, range);
  plan.skip_all = BALLAST_TRY(load_checkpoint_state(fs, parent->path)).state.skip_ranges;
  const auto earlier = BALLAST_TRY(skips_of_parent(journal, parent->step, plan.parent_segment));
  for (const auto& ranges : {earlier, plan.skip}) {
    for (const SkipRange& range : ranges) add_skip_range(plan.skip_all, range);
  }
  return plan;
}

Result<void> execute_rollback(FileSystem& fs, const std::string& run, const RollbackPlan& plan,
                              const std::string& reason, const Json& details) {
  Json fields;
  fields["step"] = plan.parent.step;
  fields["segment"] = plan.segment;
  fields["parent_segment"] = plan.parent_segment;
  fields["abandoned"] = plan.abandoned;
  fields["skip"] = skip_json(plan.skip);
  fields["reason"] = reason;
  fields["moved"] = plan.moves;
  for (const auto& [key, value] : details.items()) fields[key] = value;
  const JournalRecord record = BALLAST_TRY(append_journal(fs, run, "rollback", fields));
  PendingRollback pending;
  pending.seq = record.seq;
  pending.step = plan.parent.step;
  pending.abandoned = plan.abandoned;
  return finish_rollback(fs, run, pending);
}

Result<void> finish_rollback(FileSystem& fs, const std::string& run,
                             const PendingRollback& rollback) {
  BALLAST_TRY(abandon_later(fs, run, rollback.step, rollback.abandoned));
  return write_latest(fs, run, step_directory_name(rollback.step));
}

Result<void> execute_restore(FileSystem& fs, const std::string& run, const RestorePlan& plan,
                             const std::string& reason, const Json& details) {
  Json fields;
  fields["step"] = plan.step;
  fields["segment"] = plan.segment;
  fields["abandoned"] = plan.abandoned;
  fields["skip"] = skip_json(plan.skip);
  fields["reason"] = reason;
  for (const auto& [key, value] : details.items()) fields[key] = value;
  BALLAST_TRY(append_journal(fs, run, "restore", fields));
  return finish_restore(fs, run, plan.step, plan.abandoned);
}

Result<ResumePlan> plan_resume(FileSystem& fs, const std::string& run) {
  ResumePlan plan;
  plan.cleaned = BALLAST_TRY(clean_leftovers(fs, run));
  const JournalContents journal = BALLAST_TRY(read_journal(fs, run));
  plan.segment = next_segment(journal);
  BALLAST_TRY(finish_pending_restore(fs, run, journal));
  plan.rollback = BALLAST_TRY(pending_rollback(journal));
  if (plan.rollback) {
    BALLAST_TRY(finish_rollback(fs, run, *plan.rollback));
    const std::string path =
        join_path(checkpoint_directory(run), step_directory_name(plan.rollback->step));
    BALLAST_TRY(check_complete(fs, path));
    plan.checkpoint = CheckpointRef{run, path, plan.rollback->step};
    plan.segment = plan.rollback->segment;
    plan.add_skip =
        BALLAST_TRY(skips_of_parent(journal, plan.rollback->step, plan.rollback->parent_segment));
    return plan;
  }
  plan.checkpoint = BALLAST_TRY(newest_checkpoint(fs, run));
  if (plan.checkpoint) {
    const Manifest manifest = BALLAST_TRY(check_complete(fs, plan.checkpoint->path));
    plan.segment = std::max(plan.segment, manifest.segment + 1);
    plan.add_skip = BALLAST_TRY(skips_of_parent(journal, manifest.step, manifest.segment));
  }
  return plan;
}

}  // namespace ballast
