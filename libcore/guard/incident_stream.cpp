#include "libcore/guard/incident_stream.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace ballast {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

const RunRecord* run_of(const TraceOutline& outline, int64_t segment) {
  for (size_t i = outline.runs.size(); i > 0; --i)
    if (outline.runs[i - 1].segment == segment) return &outline.runs[i - 1];
  return nullptr;
}

}  // namespace

IncidentStream::IncidentStream(const TraceOutline& outline, const IncidentSettings& settings)
    : outline_(outline), events_(outline.level_events) {
  std::vector<Segment> until = outline.segments;
  mark_surviving(until);
  lines_.push_back({SurvivingLine(until), true, {}});
  for (size_t s = 0; s < outline.segments.size(); ++s) {
    until.assign(outline.segments.begin(),
                 outline.segments.begin() + static_cast<std::ptrdiff_t>(s) + 1);
    mark_surviving(until);
    Line line{SurvivingLine(until), false, {}};
    for (const Segment& segment : until) line.segments.insert(segment.id);
    lines_.push_back(std::move(line));
  }
  std::stable_sort(events_.begin(), events_.end(),
                   [](const LevelEvent& a, const LevelEvent& b) { return a.step < b.step; });
  Group all{LineWalker(settings), {}, 0, 0, 0};
  for (size_t line = 0; line < lines_.size(); ++line) all.lines.push_back(line);
  groups_.push_back(std::move(all));
}

int64_t IncidentStream::last_step(size_t line, int64_t segment) const {
  const Line& l = lines_[line];
  return l.all || l.segments.contains(segment) ? l.cut.last_step(segment) : kNever;
}

void IncidentStream::set_bounds(Group& group) const {
  group.on_all = std::numeric_limits<int64_t>::max();
  group.on_some = kNever;
  for (const size_t line : group.lines) {
    const int64_t last = last_step(line, segment_);
    group.on_all = std::min(group.on_all, last);
    group.on_some = std::max(group.on_some, last);
  }
}

// The lines that `on_line` does not name leave the group.
template <class OnLine>
void IncidentStream::split(size_t which, OnLine on_line) {
  Group& group = groups_[which];
  Group left{group.walker, {}, group.event, 0, 0};
  const auto stays = std::stable_partition(group.lines.begin(), group.lines.end(), on_line);
  left.lines.assign(stays, group.lines.end());
  group.lines.erase(stays, group.lines.end());
  set_bounds(group);
  set_bounds(left);
  groups_.push_back(std::move(left));
}

void IncidentStream::cross_events(size_t which, int64_t step) {
  Group& group = groups_[which];
  while (group.event < events_.size() && events_[group.event].step <= step) {
    const LevelEvent event = events_[group.event++];
    const auto on_line = [&](size_t line) { return last_step(line, event.segment) >= event.step; };
    const auto count = std::count_if(group.lines.begin(), group.lines.end(), on_line);
    if (count == 0) continue;
    if (count < static_cast<std::ptrdiff_t>(group.lines.size())) split(which, on_line);
    group.walker.cross(event.step);
  }
}

void IncidentStream::take(const StepRow& row) {
  if (!begun_ || row.segment != segment_) {
    begun_ = true;
    segment_ = row.segment;
    surviving_until_ = last_step(0, segment_);
    for (Group& group : groups_) set_bounds(group);
  }
  const bool surviving = row.step <= surviving_until_;
  if (!surviving) left_.insert(row.segment);
  for (size_t which = 0; which < groups_.size(); ++which) {  // splitting adds some
    if (row.step > groups_[which].on_some) continue;
    if (row.step > groups_[which].on_all)
      split(which, [&](size_t line) { return row.step <= last_step(line, segment_); });
    Group& group = groups_[which];
    cross_events(which, row.step);
    if (!group.walker.in(row.segment))
      group.walker.enter(row.segment, run_of(outline_, row.segment));
    group.walker.take(row, surviving);
  }
}

std::vector<RunIncident> IncidentStream::finish() {
  std::vector<std::vector<RunIncident>> by_line(lines_.size());
  for (Group& group : groups_) {
    const auto is_wanted = [&](size_t line) {
      return line == 0 || left_.contains(outline_.segments[line - 1].id);
    };
    if (std::none_of(group.lines.begin(), group.lines.end(), is_wanted)) continue;
    const std::vector<RunIncident> found = group.walker.finish(outline_.runs);
    for (const size_t line : group.lines)
      if (is_wanted(line)) by_line[line] = found;
  }
  // Of a line that was left, only what begins where it was is new.
  std::vector<RunIncident> all = std::move(by_line[0]);
  for (size_t line = 1; line < by_line.size(); ++line)
    for (RunIncident& incident : by_line[line])
      if (incident.abandoned && incident.segment == outline_.segments[line - 1].id)
        all.push_back(std::move(incident));
  std::map<int64_t, size_t> order;
  for (size_t s = 0; s < outline_.segments.size(); ++s) order.emplace(outline_.segments[s].id, s);
  std::stable_sort(all.begin(), all.end(), [&](const RunIncident& a, const RunIncident& b) {
    return std::tuple(order[a.segment], a.onset) < std::tuple(order[b.segment], b.onset);
  });
  for (size_t i = 0; i < all.size(); ++i) all[i].id = static_cast<int64_t>(i) + 1;
  return all;
}

}  // namespace ballast
