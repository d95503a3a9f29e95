#include "libcore/checkpoint/forks.h"

#include <fmt/format.h>

#include "libcore/checkpoint/json_fields.h"

namespace ballast {
namespace {

// The last step before the fork. A replay names the step that is done again; an operator's rollback
// forks at its checkpoint.
Result<int64_t> fork_step(const JournalRecord& record, const std::string& where) {
  if (record.object.contains("fork")) return count_field(record.object, "fork", where);
  const int64_t step = BALLAST_TRY(count_field(record.object, "step", where));
  return record.event == "replay" && step > 0 ? step - 1 : step;
}

Result<Fork> parse_fork(const JournalRecord& record, const std::string& where) {
  Fork fork;
  fork.seq = record.seq;
  fork.step = BALLAST_TRY(fork_step(record, where));
  fork.ladder = record.object.at("ladder");
  if (record.object.contains("interventions"))
    fork.interventions = record.object.at("interventions");
  if (record.object.contains("skip")) {
    fork.skip = BALLAST_TRY(skip_ranges_field(record.object, "skip", where));
  }
  return fork;
}

}  // namespace

Result<std::vector<Fork>> forks_ahead(const JournalContents& journal, int64_t step,
                                      int64_t last_taken) {
  std::vector<Fork> forks;
  for (const JournalRecord& record : journal.records) {
    if (record.event != "rollback" && record.event != "restore" && record.event != "replay")
      continue;
    const std::string where = fmt::format("{}:{}", kJournalName, record.seq);
    const int64_t at = BALLAST_TRY(fork_step(record, where));
    while (!forks.empty() && forks.back().step >= at) forks.pop_back();
    if (record.object.contains("ladder")) forks.push_back(BALLAST_TRY(parse_fork(record, where)));
  }
  std::erase_if(forks,
                [&](const Fork& fork) { return fork.seq <= last_taken || fork.step < step; });
  return forks;
}

Json to_json(const Fork& fork) {
  Json skip = Json::array();
  for (const SkipRange& range : fork.skip) skip.push_back(Json::array({range.begin, range.end}));
  return {{"seq", fork.seq},
          {"step", fork.step},
          {"skip", std::move(skip)},
          {"ladder", fork.ladder},
          {"interventions", fork.interventions}};
}

Result<Fork> fork_of(const Json& json) {
  const std::string where = "fork";
  Fork fork;
  fork.seq = BALLAST_TRY(count_field(json, "seq", where));
  fork.step = BALLAST_TRY(count_field(json, "step", where));
  fork.skip = BALLAST_TRY(skip_ranges_field(json, "skip", where));
  fork.ladder = json.at("ladder");
  fork.interventions = json.at("interventions");
  return fork;
}

int64_t restarts_without_progress(const JournalContents& journal) {
  int64_t count = 0, last = -1;
  for (const JournalRecord& record : journal.records) {
    if (record.event == "rollback" || record.event == "change" || record.event == "guard-stop") {
      count = 0;
      last = -1;
      continue;
    }
    if ((record.event != "resume" && record.event != "start") || record.object.contains("reason"))
      continue;
    const auto step = count_field(record.object, "step", "");
    if (!step.ok()) continue;
    count = *step == last ? count + 1 : 0;
    last = *step;
  }
  return count;
}

}  // namespace ballast
