// The law of libcore/guard/classifier.h over whole arrays, every search to the end of the curve:
// what the stream must say too. Positions are indices.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "libcore/guard/classifier.h"
#include "libcore/stats/robust.h"

namespace ballast::whole_curve {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// One pass over the curve. Positions are indices into its arrays, `steps` their step numbers.
class Pass {
 public:
  Pass(const Curve& curve, const ClassifierSettings& settings)
      : c_(curve),
        s_(settings),
        n_(static_cast<int64_t>(curve.steps.size())),
        window_(settings.window),
        recent_(settings.recent) {
    flagged_.resize(curve.steps.size());
  }

  std::vector<Incident> run();

 private:
  bool absent(int64_t i) const { return !c_.absent.empty() && c_.absent[at(i)] != 0; }
  static size_t at(int64_t i) { return static_cast<size_t>(i); }
  int64_t step(int64_t i) const { return c_.steps[at(i)]; }
  double loss(int64_t i) const { return c_.loss[at(i)]; }
  int64_t index_of_step(int64_t step) const {  // first index at or after it
    return std::lower_bound(c_.steps.begin(), c_.steps.end(), step) - c_.steps.begin();
  }

  void cross_events(int64_t i);
  void fill_window(int64_t i);
  bool is_onset(int64_t i) const;
  int64_t resume_after(int64_t i, const Incident& incident);
  Incident follow(int64_t i);
  int64_t find_recovery(int64_t i, double limit) const;
  void settle(int64_t i, Incident& incident) const;
  void find_lead(int64_t i, Incident& incident) const;
  RobustLevel level() const;
  void reseed(int64_t begin);

  const Curve& c_;
  const ClassifierSettings& s_;
  int64_t n_;
  SortedWindow window_;            // the baseline
  SortedWindow recent_;            // its newest values, for falling curves
  int64_t pending_ = 0;            // next index to enter it
  int64_t level_begin_ = 0;        // no value before it may be used: an event lies between
  size_t event_ = 0;               // next of c_.level_events
  double old_baseline_ = kNone;    // before the last event
  int64_t suppressed_until_ = -1;  // step
  std::vector<uint8_t> flagged_;
};

// Median and scale of the window, or of its newest values where the curve falls so fast that the
// window lies above them.
inline RobustLevel Pass::level() const {
  RobustLevel level = window_.level();
  if (recent_.median() < level.center - s_.falling_sigmas * level.scale) level = recent_.level();
  level.scale = std::max(level.scale, s_.mad_floor * std::abs(level.center));
  return level;
}

inline void Pass::reseed(int64_t begin) {
  window_.clear();
  recent_.clear();
  level_begin_ = pending_ = begin;
}

inline void Pass::cross_events(int64_t i) {
  bool crossed = false;
  while (event_ < c_.level_events.size() && c_.level_events[event_] <= step(i)) {
    suppressed_until_ = c_.level_events[event_++] + s_.suppress;
    crossed = true;
  }
  if (!crossed) return;
  if (window_.size() >= s_.minimum) old_baseline_ = window_.median();
  reseed(i);
}

inline void Pass::fill_window(int64_t i) {
  for (; pending_ < i - s_.gap; ++pending_)
    if (!absent(pending_) && !flagged_[at(pending_)] && std::isfinite(loss(pending_))) {
      window_.push(loss(pending_));
      recent_.push(loss(pending_));
    }
}

inline bool Pass::is_onset(int64_t i) const {
  const double value = loss(i);
  if (!std::isfinite(value)) return true;
  if (step(i) < suppressed_until_) return value > s_.suppress_ratio * old_baseline_;
  if (window_.size() < s_.minimum) return false;
  // Most steps end here: the scale cannot be below its floor, and it costs a sweep.
  const double lowest = std::min(window_.median(), recent_.median());
  if (!(value > lowest + s_.onset_sigmas * s_.mad_floor * std::abs(lowest))) return false;
  const RobustLevel now = level();
  if (value > s_.onset_ratio * now.center && now.center > 0) return true;
  const double limit = now.center + s_.onset_sigmas * now.scale;
  if (!(value > limit)) return false;
  int64_t votes = 0;
  for (int64_t j = i; j < std::min(n_, i + s_.onset_span); ++j)
    if (!absent(j) && !(loss(j) <= limit)) ++votes;
  return votes >= s_.onset_votes;
}

inline int64_t Pass::find_recovery(int64_t i, double limit) const {
  std::vector<double> values;
  for (int64_t t = i + 1; t < n_; ++t) {
    if (absent(t) || !(loss(t) <= limit)) continue;  // the window begins with a recovered value
    values.clear();
    for (int64_t j = t; j < n_ && static_cast<int64_t>(values.size()) < s_.recovery_window; ++j)
      if (!absent(j)) values.push_back(std::isnan(loss(j)) ? INFINITY : loss(j));
    if (static_cast<int64_t>(values.size()) < s_.recovery_window / 2) return -1;
    if (median(values) <= limit) return t;
  }
  return -1;
}

// Types 2 and 3 look at what the curve does from settle_begin to settle_end after the onset; while
// that has not been seen, at its last values.
inline void Pass::settle(int64_t i, Incident& incident) const {
  std::vector<double> x, y;
  bool ended_nonfinite = false;
  const int64_t begin = index_of_step(step(i) + s_.settle_begin);
  const int64_t end = index_of_step(step(i) + s_.settle_end + 1);
  const bool seen = begin < n_;
  for (int64_t j = seen ? begin : std::max(i, n_ - s_.recovery_window); j < (seen ? end : n_);
       ++j) {
    if (absent(j)) continue;
    ended_nonfinite = !std::isfinite(loss(j));
    if (ended_nonfinite) continue;
    x.push_back(static_cast<double>(step(j)));
    y.push_back(loss(j));
  }
  const double level = median(y);
  if (seen) incident.settled = level;
  incident.provisional = step(n_ - 1) < step(i) + s_.settle_end;
  const double divergent =
      incident.baseline + s_.divergent_share * (incident.peak - incident.baseline);
  const double slope = theil_sen_slope(x, y) * static_cast<double>(s_.settle_end - s_.settle_begin);
  const bool lingers = level > incident.baseline + s_.lingering_sigmas * incident.scale;
  const bool grows = seen && lingers && slope > incident.scale;
  const bool diverged = ended_nonfinite || y.empty() || (lingers && level >= divergent) || grows;
  incident.type = diverged ? IncidentType::divergent : IncidentType::lingering;
}

inline void Pass::find_lead(int64_t i, Incident& incident) const {
  if (c_.grad_norm.empty()) return;
  const auto log_norm = [&](int64_t j) {
    const double norm = c_.grad_norm[at(j)];
    return std::isfinite(norm) && norm > 0 ? std::log(norm) : kNone;
  };
  const int64_t span_begin = std::max(level_begin_, index_of_step(step(i) - s_.lead_span));
  std::vector<double> before;
  for (int64_t j = std::max(level_begin_, span_begin - s_.window); j < span_begin; ++j)
    if (!flagged_[at(j)] && std::isfinite(log_norm(j))) before.push_back(log_norm(j));
  if (static_cast<int64_t>(before.size()) < s_.minimum) return;
  const RobustLevel level = robust_level(std::move(before));
  const double scale = std::max(level.scale, s_.log_norm_floor);
  // The first of the abnormal norms that lead up to the onset; a calm stretch longer than the gap
  // ends what came before it.
  int64_t first = -1;
  int64_t latest = -1;
  for (int64_t j = span_begin; j <= i; ++j) {
    const double norm = c_.grad_norm[at(j)];
    const bool high = log_norm(j) > level.center + s_.lead_sigmas * scale;
    if (flagged_[at(j)] || absent(j) || !(high || std::isnan(norm) || norm == INFINITY)) continue;
    if (first < 0 || j - latest > s_.gap) first = j;
    latest = j;
  }
  if (first < 0 || i - latest > s_.gap) return;
  incident.norm_onset = step(first);
  incident.lead = incident.onset - incident.norm_onset;
}

inline Incident Pass::follow(int64_t i) {
  Incident incident;
  incident.onset = incident.peak_step = step(i);
  incident.settled = incident.norm_peak = kNone;
  const bool has_level = window_.size() >= s_.minimum;
  const RobustLevel now = has_level ? level() : RobustLevel{kNone, kNone};
  incident.baseline = has_level ? now.center : old_baseline_;
  incident.scale = has_level ? now.scale : s_.mad_floor * std::abs(old_baseline_);
  find_lead(i, incident);

  double limit = incident.baseline + s_.recovery_sigmas * incident.scale;
  if (std::isnan(limit)) limit = std::numeric_limits<double>::max();  // any finite value recovers
  const int64_t recovery = find_recovery(i, limit);
  const bool recovered = recovery >= 0 && step(recovery) - step(i) <= s_.recovery_limit;
  if (recovery >= 0) incident.recovery = step(recovery);
  int64_t end = recovered ? recovery : std::max(recovery, index_of_step(step(i) + s_.settle_end));
  end = std::min(end, n_);

  incident.peak = kNone;
  for (int64_t j = i; j < end; ++j) {
    if (absent(j)) continue;
    if (!std::isfinite(loss(j))) incident.nonfinite = true;
    if (std::isfinite(loss(j)) && !(loss(j) <= incident.peak)) {
      incident.peak = loss(j);
      incident.peak_step = step(j);
    }
  }
  const int64_t norm_begin = incident.norm_onset >= 0 ? index_of_step(incident.norm_onset) : i;
  for (int64_t j = norm_begin; j < end && !c_.grad_norm.empty(); ++j)
    if (std::isfinite(c_.grad_norm[at(j)]) && !(c_.grad_norm[at(j)] <= incident.norm_peak))
      incident.norm_peak = c_.grad_norm[at(j)];
  if (!recovered) settle(i, incident);
  incident.last = step(std::max(i, end - 1));
  // The abnormal norms before it belong to it too, so that they do not lead the next one.
  std::fill(flagged_.begin() + std::min(norm_begin, i), flagged_.begin() + std::max(end, i + 1),
            uint8_t{1});
  return incident;
}

// Where the search goes on; after an incident without recovery the level it left is the new one.
inline int64_t Pass::resume_after(int64_t i, const Incident& incident) {
  const int64_t next = std::max(i + 1, index_of_step(incident.last + 1));
  const bool recovered = incident.type == IncidentType::recoverable;
  if (!recovered) reseed(next);
  return next;
}

inline std::vector<Incident> Pass::run() {
  std::vector<Incident> incidents;
  for (int64_t i = 0; i < n_;) {
    cross_events(i);
    fill_window(i);
    if (absent(i) || !is_onset(i)) {
      ++i;
      continue;
    }
    incidents.push_back(follow(i));
    i = resume_after(i, incidents.back());
  }
  return incidents;
}

inline std::vector<Incident> classify(const Curve& curve, const ClassifierSettings& settings) {
  return Pass(curve, settings).run();
}

}  // namespace ballast::whole_curve
