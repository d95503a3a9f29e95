#include "libcore/guard/incident_scene.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace ballast {

SceneGround::SceneGround(const RunHistory& h, const std::vector<RunIncident>& all) : history(h) {
  add_line(h.surviving_line());
  std::map<int64_t, size_t> line_of_segment;
  for (const RunIncident& incident : all) {
    if (!incident.abandoned || line_of_segment.contains(incident.segment)) continue;
    for (size_t s = h.segments.size(); s > 0; --s) {
      if (h.segments[s - 1].id != incident.segment) continue;
      line_of_segment.emplace(incident.segment, lines.size());
      add_line(h.line_of(s - 1));
      break;
    }
  }
  for (const RunIncident& incident : all) {
    const auto line = line_of_segment.find(incident.segment);
    const bool known = incident.abandoned && line != line_of_segment.end();
    incidents.push_back(place(incident, known ? line->second : 0));
  }
  for (size_t l = 0; l < lines.size(); ++l) {
    for (const RunIncident& incident : all) {
      const size_t at = position_of(l, incident.onset);
      if (at == lines[l].rows.size() || row(l, at).segment != incident.segment) continue;
      for (size_t i = position_of(l, incident.first); i < position_of(l, incident.last + 1); ++i)
        lines[l].in_incident[i] = 1;
    }
  }
}

void SceneGround::add_line(std::vector<size_t> rows) {
  HistoryLine line;
  line.lr_peak = std::numeric_limits<double>::quiet_NaN();
  for (const size_t r : rows) {
    line.segments.insert(history.rows[r].segment);
    line.lr_peak = std::fmax(line.lr_peak, history.rows[r].lr);
  }
  line.in_incident.resize(rows.size());
  line.rows = std::move(rows);
  lines.push_back(std::move(line));
}

size_t SceneGround::position_of(size_t line, int64_t step) const {
  const std::vector<size_t>& rows = lines[line].rows;
  return static_cast<size_t>(
      std::lower_bound(rows.begin(), rows.end(), step,
                       [&](size_t i, int64_t s) { return history.rows[i].step < s; }) -
      rows.begin());
}

PlacedIncident SceneGround::place(const RunIncident& incident, size_t line) const {
  PlacedIncident placed{
      &incident, line, position_of(line, incident.first), position_of(line, incident.onset), {}};
  if (placed.onset >= lines[line].rows.size()) return placed;
  const StepRow& begin = row(line, placed.first);
  const StepRow& end = row(line, placed.onset);
  const int64_t before = placed.onset > 0 ? row(line, placed.onset - 1).samples : 0;
  if (begin.batch_start >= 0 && end.batch_start >= begin.batch_start)
    placed.data = {begin.batch_start, end.batch_start + std::max(int64_t{1}, end.samples - before)};
  return placed;
}

std::vector<double> IncidentScene::before(Value value, int64_t count) const {
  return before(value, count, first());
}

std::vector<double> IncidentScene::before(Value value, int64_t count, size_t position) const {
  std::vector<double> values;
  const auto begin = static_cast<size_t>(
      std::max(int64_t{0}, static_cast<int64_t>(std::min(position, size())) - count));
  for (size_t i = begin; i < std::min(position, size()); ++i) {
    const double v = value(row(i));
    if (!line().in_incident[i] && !row(i).skipped && std::isfinite(v)) values.push_back(v);
  }
  return values;
}

std::vector<const EventRecord*> IncidentScene::events(std::initializer_list<std::string_view> names,
                                                      int64_t from, int64_t to) const {
  std::vector<const EventRecord*> found;
  for (const EventRecord& event : g_.history.events)
    if (event.step >= from && event.step <= to && line().segments.contains(event.segment) &&
        std::find(names.begin(), names.end(), event.event) != names.end())
      found.push_back(&event);
  return found;
}

const RunRecord* IncidentScene::run() const {
  const std::vector<RunRecord>& runs = g_.history.runs;
  for (size_t i = runs.size(); i > 0; --i)
    if (runs[i - 1].segment == incident().segment) return &runs[i - 1];
  return nullptr;
}

}  // namespace ballast
