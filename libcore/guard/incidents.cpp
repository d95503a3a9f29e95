#include "libcore/guard/incidents.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kJoinSlack = 2;  // steps between what the two laws call the same incident

// A run of abnormal steps as the Detector sees it.
struct Episode {
  size_t begin = 0, end = 0;  // positions in the line, inclusive
  bool loss = false, norm = false, nonfinite = false, persistent = false;
};

// Steps of the events that move levels, on this line.
std::vector<int64_t> level_events(const RunHistory& history, const std::set<int64_t>& segments) {
  std::vector<int64_t> steps;
  for (const EventRecord& event : history.events)
    if (segments.contains(event.segment) && restarts_statistics(event.event))
      steps.push_back(event.step);
  std::sort(steps.begin(), steps.end());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  return steps;
}

const RunRecord* run_of(const RunHistory& history, int64_t segment) {
  for (size_t i = history.runs.size(); i > 0; --i)
    if (history.runs[i - 1].segment == segment) return &history.runs[i - 1];
  return nullptr;
}

// One line of the run: positions index `rows`, which indexes the history.
class LineAnalysis {
 public:
  LineAnalysis(const RunHistory& history, std::vector<size_t> rows,
               const IncidentSettings& settings)
      : history_(history), rows_(std::move(rows)), settings_(settings) {
    std::set<int64_t> segments;
    for (const size_t i : rows_) segments.insert(history.rows[i].segment);
    events_ = level_events(history, segments);
  }

  std::vector<RunIncident> run() {
    std::vector<RunIncident> incidents;
    for (const Incident& verdict : classify_line()) incidents.push_back(describe(verdict));
    for (const Episode& episode : detect()) join(episode, incidents);
    for (RunIncident& incident : incidents) measure(incident);
    return incidents;
  }

 private:
  const StepRow& row(size_t position) const { return history_.rows[rows_[position]]; }
  size_t position_of(int64_t step) const {
    return static_cast<size_t>(
        std::lower_bound(rows_.begin(), rows_.end(), step,
                         [&](size_t i, int64_t s) { return history_.rows[i].step < s; }) -
        rows_.begin());
  }
  std::vector<Incident> classify_line() const;
  std::vector<Episode> detect() const;
  RunIncident describe(const Incident& verdict) const;
  void join(const Episode& episode, std::vector<RunIncident>& incidents) const;
  void measure(RunIncident& incident) const;
  double seconds_of(size_t begin, size_t end) const;

  const RunHistory& history_;
  std::vector<size_t> rows_;
  const IncidentSettings& settings_;
  std::vector<int64_t> events_;
};

std::vector<Incident> LineAnalysis::classify_line() const {
  std::vector<int64_t> steps;
  std::vector<double> loss, norm;
  std::vector<uint8_t> absent;
  for (size_t i = 0; i < rows_.size(); ++i) {
    steps.push_back(row(i).step);
    loss.push_back(row(i).loss);
    norm.push_back(row(i).norm);
    absent.push_back(row(i).has_loss ? 0 : 1);
  }
  return classify({steps, loss, norm, absent, events_}, settings_.classifier);
}

// The same calls in the same order as in training: events, observe, accept unless skipped.
std::vector<Episode> LineAnalysis::detect() const {
  std::vector<Episode> episodes;
  Detector detector(settings_.detector);
  size_t event = 0;
  int64_t segment = -1;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const StepRow& step = row(i);
    if (step.segment != segment) {
      segment = step.segment;
      const RunRecord* run = run_of(history_, segment);
      // A state that does not fit (other settings) leaves what the line itself has taught.
      if (run != nullptr && !run->detector_state.is_null())
        (void)detector.load(run->detector_state);
    }
    bool moved = false;
    for (; event < events_.size() && events_[event] <= step.step; ++event) moved = true;
    if (moved) detector.on_event();
    if (!step.has_loss) continue;
    const Verdict verdict = detector.observe(step.loss, step.has_norm ? step.norm : 1.0);
    if (!step.skipped) detector.accept(step.loss, step.has_norm ? step.norm : 0.0);
    const bool starts = verdict.onset() || verdict.nonfinite();
    const bool goes_on =
        !episodes.empty() && (verdict.loss.above || verdict.norm.above || verdict.nonfinite()) &&
        static_cast<int64_t>(i - episodes.back().end) <= settings_.detector.quiet_steps;
    if (!starts && !goes_on) continue;
    if (!goes_on) episodes.push_back({i, i});
    Episode& episode = episodes.back();
    episode.end = i;
    episode.loss = episode.loss || verdict.loss.onset || verdict.loss.nonfinite;
    episode.norm = episode.norm || verdict.norm.onset || verdict.norm.nonfinite;
    episode.nonfinite = episode.nonfinite || verdict.nonfinite();
    episode.persistent = episode.persistent || verdict.persistent();
  }
  return episodes;
}

RunIncident LineAnalysis::describe(const Incident& verdict) const {
  RunIncident incident;
  incident.classified = true;
  incident.verdict = verdict;
  incident.onset = verdict.onset;
  incident.first = verdict.norm_onset >= 0 ? verdict.norm_onset : verdict.onset;
  incident.last = verdict.last;
  incident.nonfinite = verdict.nonfinite;
  return incident;
}

void LineAnalysis::join(const Episode& episode, std::vector<RunIncident>& incidents) const {
  const int64_t begin = row(episode.begin).step;
  const int64_t end = row(episode.end).step;
  auto found = std::find_if(incidents.begin(), incidents.end(), [&](const RunIncident& incident) {
    return begin <= incident.last + kJoinSlack && end + kJoinSlack >= incident.first;
  });
  if (found == incidents.end()) {
    RunIncident fresh;
    fresh.first = fresh.onset = begin;
    fresh.last = end;
    found = incidents.insert(found, fresh);
  }
  found->first = std::min(found->first, begin);
  found->last = std::max(found->last, end);
  if (found->detected < 0) found->detected = begin;
  found->detected_loss = found->detected_loss || episode.loss;
  found->detected_norm = found->detected_norm || episode.norm;
  found->nonfinite = found->nonfinite || episode.nonfinite;
  found->persistent = found->persistent || episode.persistent;
}

// Of the steps from `begin` to before `end`: their own time, else what the clock shows since the
// step before (of the same segment: between two the run may have lain still), else tokens by speed;
// NaN where the log has none of these.
double LineAnalysis::seconds_of(size_t begin, size_t end) const {
  double own = 0, by_speed = 0;
  for (size_t i = begin; i < end; ++i) {
    own += row(i).step_ms * 1e-3;
    const int64_t tokens = i > 0 ? row(i).tokens - row(i - 1).tokens : row(i).tokens;
    by_speed += static_cast<double>(tokens) / row(i).tokens_per_s;
  }
  if (begin >= end) return kNone;
  if (std::isfinite(own)) return own;
  const bool together = begin > 0 && row(begin - 1).segment == row(end - 1).segment;
  const int64_t before = together ? row(begin - 1).time_us : 0;
  const int64_t after = row(end - 1).time_us;
  if (before > 0 && after > before) return static_cast<double>(after - before) * 1e-6;
  return by_speed > 0 && std::isfinite(by_speed) ? by_speed : kNone;
}

void LineAnalysis::measure(RunIncident& incident) const {
  const size_t begin = position_of(incident.first);
  const size_t end = position_of(incident.last + 1);
  const StepRow& onset = row(std::min(position_of(incident.onset), rows_.size() - 1));
  incident.segment = onset.segment;
  incident.abandoned = !onset.surviving;
  incident.peak_loss = incident.peak_norm = kNone;
  incident.step_ms = begin < end ? 0 : kNone;
  for (size_t i = begin; i < end; ++i) {
    const StepRow& step = row(i);
    if (std::isfinite(step.loss)) incident.peak_loss = std::fmax(incident.peak_loss, step.loss);
    if (std::isfinite(step.norm)) incident.peak_norm = std::fmax(incident.peak_norm, step.norm);
    if (step.skipped) ++incident.skipped_steps;
    incident.step_ms += step.step_ms;
  }
  incident.seconds = seconds_of(begin, end);
  std::optional<double> per_hour = settings_.cost_per_hour;
  for (const RunRecord& run : history_.runs)
    if (run.segment == incident.segment && run.cost_per_hour) per_hour = run.cost_per_hour;
  incident.cost = per_hour ? incident.seconds / 3600 * *per_hour : kNone;
  if (begin >= end) return;
  const bool has_before = begin > 0;
  incident.samples_begin = has_before ? row(begin - 1).samples : 0;
  incident.samples_end = row(end - 1).samples;
  incident.tokens_lost = row(end - 1).tokens - (has_before ? row(begin - 1).tokens : 0);
}

}  // namespace

std::vector<RunIncident> find_incidents(const RunHistory& history,
                                        const IncidentSettings& settings) {
  std::vector<RunIncident> all = LineAnalysis(history, history.surviving_line(), settings).run();
  // Every segment with abandoned steps is a line of its own; only what begins there is new.
  for (size_t s = 0; s < history.segments.size(); ++s) {
    const int64_t id = history.segments[s].id;
    const bool left = std::any_of(history.rows.begin(), history.rows.end(), [&](const StepRow& r) {
      return r.segment == id && !r.surviving;
    });
    if (!left) continue;
    for (RunIncident& incident : LineAnalysis(history, history.line_of(s), settings).run())
      if (incident.segment == id && incident.abandoned) all.push_back(std::move(incident));
  }
  std::map<int64_t, size_t> order;
  for (size_t s = 0; s < history.segments.size(); ++s) order.emplace(history.segments[s].id, s);
  std::sort(all.begin(), all.end(), [&](const RunIncident& a, const RunIncident& b) {
    return std::tuple(order[a.segment], a.onset) < std::tuple(order[b.segment], b.onset);
  });
  for (size_t i = 0; i < all.size(); ++i) all[i].id = static_cast<int64_t>(i) + 1;
  return all;
}

std::string class_name(const RunIncident& incident) {
  if (!incident.classified) return "unclassified";
  switch (incident.verdict.type) {
    case IncidentType::recoverable:
      return "recoverable";
    case IncidentType::lingering:
      return "lingering";
    case IncidentType::divergent:
      break;
  }
  return "divergent";
}

Json to_json(const RunIncident& i) {
  const auto step_or_null = [](int64_t step) { return step >= 0 ? Json(step) : Json(nullptr); };
  Json json{{"v", 1},
            {"type", "incident"},
            {"id", i.id},
            {"segment", i.segment},
            {"abandoned", i.abandoned},
            {"first", i.first},
            {"onset", i.onset},
            {"last", i.last},
            {"class", i.classified ? static_cast<int>(i.verdict.type) : 0},
            {"class_name", class_name(i)},
            {"provisional", i.classified && i.verdict.provisional},
            {"nonfinite", i.nonfinite},
            {"persistent", i.persistent},
            {"detected", step_or_null(i.detected)},
            {"detected_loss", i.detected_loss},
            {"detected_norm", i.detected_norm},
            {"peak_loss", json_number(i.peak_loss)},
            {"peak_norm", json_number(i.peak_norm)},
            {"tokens_lost", i.tokens_lost},
            {"samples_begin", i.samples_begin},
            {"samples_end", i.samples_end},
            {"skipped_steps", i.skipped_steps}};
  if (!std::isnan(i.step_ms)) json["step_ms"] = i.step_ms;
  if (!std::isnan(i.seconds)) json["seconds"] = i.seconds;
  if (!std::isnan(i.cost)) json["cost"] = i.cost;
  if (i.classified) {
    const Incident& v = i.verdict;
    json["baseline"] = json_number(v.baseline);
    json["scale"] = json_number(v.scale);
    json["peak_step"] = v.peak_step;
    json["recovery"] = step_or_null(v.recovery);
    json["norm_onset"] = step_or_null(v.norm_onset);
    json["lead"] = v.norm_onset >= 0 ? Json(v.lead) : Json(nullptr);
    json["settled"] = json_number(v.settled);
  }
  return json;
}

}  // namespace ballast
