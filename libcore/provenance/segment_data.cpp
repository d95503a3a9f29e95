#include "libcore/provenance/segment_data.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/guard/interventions.h"

namespace ballast {
namespace {

bool is_start(const JournalRecord& record) {
  return record.event == "start" || record.event == "resume";
}
// Of the lines that name a segment, those after which it was there.
bool begins_segment(const JournalRecord& record) {
  return is_start(record) || record.event == "replay" || record.event == "fork";
}

Result<size_t> find_birth(const JournalContents& journal, int64_t segment) {
  for (size_t i = 0; i < journal.records.size(); ++i) {
    const JournalRecord& record = journal.records[i];
    if (begins_segment(record) && record.object.value("segment", int64_t{-1}) == segment) return i;
  }
  return corrupt_error(fmt::format("no line begins segment {} of the trace", segment),
                       kJournalName);
}

JournalContents until(const JournalContents& journal, size_t count) {
  JournalContents part;
  part.records.assign(journal.records.begin(),
                      journal.records.begin() + static_cast<std::ptrdiff_t>(count));
  return part;
}

void put(Json& law, const JournalRecord& change, const char* which) {
  const std::string key = change.object.value("key", std::string());
  const Json value = change.object.value(which, Json());
  if (value.is_null())
    law.erase(key);
  else
    law[key] = value;
}

bool is_change(const JournalRecord& record) {
  return record.event == "change" && record.object.contains("key");
}

// The law of a segment that began with line `birth`: changes are told right after the line of the
// start that made them, and stay.
Json law_at(const JournalContents& journal, size_t birth, const Json& newest) {
  size_t next = birth + 1;
  while (next < journal.records.size() && !begins_segment(journal.records[next])) ++next;
  Json law = newest;
  for (size_t i = journal.records.size(); i > next; --i)
    if (is_change(journal.records[i - 1])) put(law, journal.records[i - 1], "from");
  return law;
}

Result<void> take(DataState& state, const Fork& fork) {
  for (const SkipRange& range : fork.skip) add_skip_range(state.skips, range);
  state.last_fork = fork.seq;
  if (fork.interventions.is_null()) return {};
  state.dropped = BALLAST_TRY(parse_interventions(fork.interventions)).dropped;
  return {};
}

// What a start or a way back found at the step it went on from.
Result<void> go_on(SegmentData& segment, const SegmentData& parent, const JournalContents& before,
                   bool by_guard) {
  segment.start = parent.before(segment.parent_step);
  if (!by_guard) {
    for (const SkipRange& range :
         BALLAST_TRY(skips_of_parent(before, segment.parent_step, parent.id)))
      add_skip_range(segment.start.skips, range);
  }
  segment.ahead = BALLAST_TRY(forks_ahead(before, segment.parent_step, segment.start.last_fork));
  return {};
}

// A segment that begins without going back.
void carry_on(SegmentData& segment, const SegmentData& parent) {
  segment.start = parent.before(segment.parent_step + 1);
  for (const Fork& fork : parent.ahead)
    if (fork.step > segment.parent_step) segment.ahead.push_back(fork);
}

}  // namespace

DataState SegmentData::before(int64_t step) const {
  DataState state = start;
  for (const Fork& fork : ahead) {
    if (fork.step >= step) break;
    const auto taken = take(state, fork);
    BALLAST_CHECK(taken.ok());  // follow_segments() has taken it before
  }
  return state;
}

Result<std::vector<SegmentData>> follow_segments(const JournalContents& journal,
                                                 const std::vector<Segment>& segments,
                                                 const Json& law, const DataState& origin) {
  Json newest = law;
  for (const JournalRecord& record : journal.records)
    if (is_change(record)) put(newest, record, "to");
  std::vector<SegmentData> all;
  for (const Segment& segment : segments) {
    SegmentData data;
    data.id = segment.id;
    data.parent = segment.parent;
    data.parent_step = segment.parent_step.value_or(0);
    const size_t birth = BALLAST_TRY(find_birth(journal, segment.id));
    data.law = law_at(journal, birth, newest);
    data.start = origin;
    if (segment.parent) {
      const auto parent = std::ranges::find(all, *segment.parent, &SegmentData::id);
      if (parent == all.end())
        return corrupt_error(fmt::format("segment {} has no parent in the trace", segment.id));
      const JournalRecord& record = journal.records[birth];
      if (is_start(record))
        BALLAST_TRY(go_on(data, *parent, until(journal, birth), record.object.contains("reason")));
      else
        carry_on(data, *parent);
    }
    DataState end = data.start;
    for (const Fork& fork : data.ahead) BALLAST_TRY(take(end, fork));
    all.push_back(std::move(data));
  }
  return all;
}

}  // namespace ballast
