#include "libcore/guard/line_walker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kJoinSlack = 2;  // steps between what the two laws call the same incident
constexpr double kLongest = 1e9;   // seconds; what is longer is no time of a step
constexpr double kNanosecond = 1e-9;

void add_time(double seconds, int64_t& nanoseconds, int64_t& missing) {
  if (std::abs(seconds) < kLongest) {
    nanoseconds += std::llround(seconds / kNanosecond);
  } else {
    ++missing;
  }
}

// Its steps' own time, else what the clock shows since the step before (of the same segment:
// between two the run may have lain still), else tokens by speed; NaN where the log has none.
double seconds_of(const Stretch& s) {
  if (s.through.untimed == s.before.untimed)
    return static_cast<double>(s.through.step_ns - s.before.step_ns) * kNanosecond;
  const bool together = s.before.rows > 0 && s.before.segment == s.through.segment;
  const int64_t begin = together ? s.before.time_us : 0;
  if (begin > 0 && s.through.time_us > begin)
    return static_cast<double>(s.through.time_us - begin) * 1e-6;
  const int64_t by_speed = s.through.speed_ns - s.before.speed_ns;
  if (s.through.unclocked != s.before.unclocked || by_speed <= 0) return kNone;
  return static_cast<double>(by_speed) * kNanosecond;
}

RunIncident describe(const ClassifierStream::Found& found) {
  const Incident& verdict = found.verdict;
  RunIncident incident;
  incident.classified = true;
  incident.verdict = verdict;
  incident.onset = verdict.onset;
  incident.first = verdict.norm_onset >= 0 ? verdict.norm_onset : verdict.onset;
  incident.last = verdict.last;
  incident.nonfinite = verdict.nonfinite;
  incident.segment = found.onset.segment;
  incident.abandoned = !found.onset.surviving;
  return incident;
}

}  // namespace

LineWalker::LineWalker(const IncidentSettings& settings)
    : cost_per_hour_(settings.cost_per_hour),
      quiet_steps_(settings.detector.quiet_steps),
      detector_(settings.detector),
      classifier_(settings.classifier) {}

void LineWalker::enter(int64_t segment, const RunRecord* run) {
  segment_ = segment;
  entered_ = true;
  // A state that does not fit (other settings) leaves what the line itself has taught.
  if (run != nullptr && !run->detector_state.is_null()) (void)detector_.load(run->detector_state);
}

void LineWalker::cross(int64_t step) {
  classifier_.add_level_event(step);
  moved_ = true;
}

LineSums LineWalker::sums_with(const StepRow& row) const {
  LineSums sums = sums_;
  const int64_t tokens = row.tokens - (sums.rows > 0 ? sums.tokens : 0);
  add_time(row.step_ms * 1e-3, sums.step_ns, sums.untimed);
  add_time(static_cast<double>(tokens) / row.tokens_per_s, sums.speed_ns, sums.unclocked);
  sums.skipped += row.skipped ? 1 : 0;
  sums.segment = row.segment;
  sums.step = row.step;
  sums.time_us = row.time_us;
  sums.tokens = row.tokens;
  sums.samples = row.samples;
  ++sums.rows;
  return sums;
}

void LineWalker::take(const StepRow& row, bool surviving) {
  const LineSums through = sums_with(row);
  observe(row, through, surviving);
  CurvePoint point;
  point.step = row.step;
  point.loss = row.loss;
  point.grad_norm = row.norm;
  point.absent = !row.has_loss;
  point.surviving = surviving;
  point.segment = row.segment;
  point.before = sums_;
  classifier_.push(point);
  sums_ = through;
}

// The same calls in the same order as in training: events, observe, accept unless skipped.
void LineWalker::observe(const StepRow& row, const LineSums& through, bool surviving) {
  if (std::exchange(moved_, false)) detector_.on_event();
  Verdict verdict;
  if (row.has_loss) {
    verdict = detector_.observe(row.loss, row.has_norm ? row.norm : 1.0);
    if (!row.skipped) detector_.accept(row.loss, row.has_norm ? row.norm : 0.0);
  }
  const int64_t here = sums_.rows;
  Episode* last = episodes_.empty() ? nullptr : &episodes_.back();
  const bool near = last != nullptr && here - last->end_row <= quiet_steps_;
  const bool starts = verdict.onset() || verdict.nonfinite();
  const bool abnormal = starts || (near && (verdict.loss.above || verdict.norm.above));
  const bool goes_on = near && abnormal && last->owner() == Owner{row.segment, surviving};
  if (near) last->behind.take_peaks(row.loss, row.norm);
  if (!abnormal) {
    if (last == nullptr || here != last->end_row + 1) return;
    last->stretch.has_next = true;
    last->stretch.next_step = row.step;
    last->stretch.next_loss = row.loss;
    last->stretch.next_norm = row.norm;
    return;
  }
  if (!goes_on) {
    Episode fresh;
    fresh.begin = row.step;
    fresh.segment = row.segment;
    fresh.surviving = surviving;
    fresh.stretch.before = sums_;
    fresh.stretch.take_peaks(row.loss, row.norm);
    episodes_.push_back(fresh);
    last = &episodes_.back();
  }
  last->end = row.step;
  last->end_row = here;
  last->stretch.through = through;
  last->stretch.has_next = false;
  last->stretch.take_peaks(last->behind.peak_loss, last->behind.peak_norm);
  // What goes on behind a fork has its onset before it.
  last->loss = last->loss || verdict.loss.onset || verdict.loss.nonfinite ||
               (!starts && !goes_on && verdict.loss.above);
  last->norm = last->norm || verdict.norm.onset || verdict.norm.nonfinite ||
               (!starts && !goes_on && verdict.norm.above);
  last->nonfinite = last->nonfinite || verdict.nonfinite();
  last->persistent = last->persistent || verdict.persistent();
}

void LineWalker::join(const Episode& episode, std::vector<Draft>& drafts) {
  const auto touches = [&](const Draft& draft) {
    return episode.owner() == Owner{draft.incident.segment, !draft.incident.abandoned} &&
           episode.begin <= draft.incident.last + kJoinSlack &&
           episode.end + kJoinSlack >= draft.incident.first;
  };
  auto found = std::find_if(drafts.begin(), drafts.end(), touches);
  if (found == drafts.end()) {
    Draft fresh;
    fresh.incident.first = fresh.incident.onset = episode.begin;
    fresh.incident.last = episode.end;
    fresh.incident.segment = episode.segment;
    fresh.incident.abandoned = !episode.surviving;
    fresh.stretch = episode.stretch;
    found = drafts.insert(found, fresh);
  }
  RunIncident& incident = found->incident;
  Stretch& stretch = found->stretch;
  const Stretch& other = episode.stretch;
  stretch.take_peaks(other.peak_loss, other.peak_norm);
  // The step that may lie between the two.
  if (stretch.has_next && stretch.next_step < episode.begin)
    stretch.take_peaks(stretch.next_loss, stretch.next_norm);
  if (other.has_next && other.next_step < incident.first)
    stretch.take_peaks(other.next_loss, other.next_norm);
  if (episode.begin < incident.first) stretch.before = other.before;
  if (episode.end > incident.last) {
    stretch.through = other.through;
    stretch.has_next = other.has_next;
    stretch.next_step = other.next_step;
    stretch.next_loss = other.next_loss;
    stretch.next_norm = other.next_norm;
  }
  incident.first = std::min(incident.first, episode.begin);
  incident.last = std::max(incident.last, episode.end);
  if (incident.detected < 0) incident.detected = episode.begin;
  incident.detected_loss = incident.detected_loss || episode.loss;
  incident.detected_norm = incident.detected_norm || episode.norm;
  incident.nonfinite = incident.nonfinite || episode.nonfinite;
  incident.persistent = incident.persistent || episode.persistent;
}

void LineWalker::measure(Draft& draft, std::span<const RunRecord> runs) const {
  RunIncident& incident = draft.incident;
  const LineSums& before = draft.stretch.before;
  const LineSums& through = draft.stretch.through;
  incident.peak_loss = draft.stretch.peak_loss;
  incident.peak_norm = draft.stretch.peak_norm;
  incident.skipped_steps = through.skipped - before.skipped;
  incident.step_ms = through.untimed == before.untimed
                         ? static_cast<double>(through.step_ns - before.step_ns) * 1e-6
                         : kNone;
  incident.seconds = seconds_of(draft.stretch);
  std::optional<double> per_hour = cost_per_hour_;
  for (const RunRecord& run : runs)
    if (run.segment == incident.segment && run.cost_per_hour) per_hour = run.cost_per_hour;
  incident.cost = per_hour ? incident.seconds / 3600 * *per_hour : kNone;
  incident.samples_begin = before.samples;
  incident.samples_end = through.samples;
  incident.tokens_lost = through.tokens - before.tokens;
}

std::vector<RunIncident> LineWalker::finish(std::span<const RunRecord> runs) {
  classifier_.finish(sums_);
  std::vector<Draft> drafts;
  for (const ClassifierStream::Found& found : classifier_.found())
    drafts.push_back({describe(found), found.stretch});
  for (const Episode& episode : episodes_) join(episode, drafts);
  std::vector<RunIncident> incidents;
  for (Draft& draft : drafts) {
    measure(draft, runs);
    incidents.push_back(std::move(draft.incident));
  }
  return incidents;
}

}  // namespace ballast
