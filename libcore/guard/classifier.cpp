#include "libcore/guard/classifier.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/check.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kForgetEvery = 512;  // points

}  // namespace

ClassifierStream::ClassifierStream(const ClassifierSettings& settings, bool has_norms)
    : s_(settings),
      has_norms_(has_norms),
      window_(settings.window),
      recent_(settings.recent),
      old_baseline_(kNone) {}

int64_t ClassifierStream::index_of_step(int64_t step) const {
  const auto found = std::lower_bound(points_.begin(), points_.end(), step,
                                      [](const Point& p, int64_t s) { return p.step < s; });
  return dropped_ + (found - points_.begin());
}

// Median and scale of the window, or of its newest values where the curve falls so fast that the
// window lies above them.
RobustLevel ClassifierStream::level() const {
  RobustLevel level = window_.level();
  if (recent_.median() < level.center - s_.falling_sigmas * level.scale) level = recent_.level();
  level.scale = std::max(level.scale, s_.mad_floor * std::abs(level.center));
  return level;
}

void ClassifierStream::reseed(int64_t begin) {
  window_.clear();
  recent_.clear();
  level_begin_ = pending_ = begin;
}

void ClassifierStream::cross_events() {
  bool crossed = false;
  while (event_ < events_.size() && events_[event_] <= at(next_).step) {
    suppressed_until_ = events_[event_++] + s_.suppress;
    crossed = true;
  }
  if (!crossed) return;
  if (window_.size() >= s_.minimum) old_baseline_ = window_.median();
  reseed(next_);
}

void ClassifierStream::fill_window() {
  for (; pending_ < next_ - s_.gap; ++pending_) {
    const Point& point = at(pending_);
    if (point.absent || point.flagged || !std::isfinite(point.loss)) continue;
    window_.push(point.loss);
    recent_.push(point.loss);
  }
}

bool ClassifierStream::is_onset() const {
  const Point& here = at(next_);
  const double value = here.loss;
  if (here.absent) return false;
  if (!std::isfinite(value)) return true;
  if (here.step < suppressed_until_) return value > s_.suppress_ratio * old_baseline_;
  if (window_.size() < s_.minimum) return false;
  // Most steps end here: the scale cannot be below its floor, and it costs a sweep.
  const double lowest = std::min(window_.median(), recent_.median());
  if (!(value > lowest + s_.onset_sigmas * s_.mad_floor * std::abs(lowest))) return false;
  const RobustLevel now = level();
  if (value > s_.onset_ratio * now.center && now.center > 0) return true;
  const double limit = now.center + s_.onset_sigmas * now.scale;
  if (!(value > limit)) return false;
  int64_t votes = 0;
  for (int64_t j = next_; j < std::min(size(), next_ + s_.onset_span); ++j)
    if (!at(j).absent && !(at(j).loss <= limit)) ++votes;
  return votes >= s_.onset_votes;
}

void ClassifierStream::find_lead(int64_t i, Open& open, Incident& incident) const {
  if (!has_norms_) return;
  const auto log_norm = [&](int64_t j) {
    const double norm = at(j).grad_norm;
    return std::isfinite(norm) && norm > 0 ? std::log(norm) : kNone;
  };
  const int64_t span_begin = std::max(level_begin_, index_of_step(at(i).step - s_.lead_span));
  std::vector<double> before;
  for (int64_t j = std::max(level_begin_, span_begin - s_.window); j < span_begin; ++j)
    if (!at(j).flagged && std::isfinite(log_norm(j))) before.push_back(log_norm(j));
  if (static_cast<int64_t>(before.size()) < s_.minimum) return;
  const RobustLevel level = robust_level(std::move(before));
  const double scale = std::max(level.scale, s_.log_norm_floor);
  // The first of the abnormal norms that lead up to the onset; a calm stretch longer than the gap
  // ends what came before it.
  int64_t first = -1;
  int64_t latest = -1;
  for (int64_t j = span_begin; j <= i; ++j) {
    const double norm = at(j).grad_norm;
    const bool high = log_norm(j) > level.center + s_.lead_sigmas * scale;
    if (at(j).flagged || at(j).absent || !(high || std::isnan(norm) || norm == INFINITY)) continue;
    if (first < 0 || j - latest > s_.gap) first = j;
    latest = j;
  }
  if (first < 0 || i - latest > s_.gap) return;
  open.norm_begin = first;
  incident.norm_onset = at(first).step;
  incident.lead = incident.onset - incident.norm_onset;
}

void ClassifierStream::count(Open& open, const Point& point) const {
  open.last_step = point.step;
  if (!point.absent && !std::isfinite(point.loss)) open.nonfinite = true;
  if (!point.absent && std::isfinite(point.loss) && !(point.loss <= open.peak)) {
    open.peak = point.loss;
    open.peak_step = point.step;
  }
  if (has_norms_ && std::isfinite(point.grad_norm) && !(point.grad_norm <= open.norm_peak))
    open.norm_peak = point.grad_norm;
}

// The same incident with everything before `end` counted; its points are still held.
ClassifierStream::Open ClassifierStream::counted_until(const Open& open, int64_t end) const {
  Open counted = open;
  counted.peak = counted.norm_peak = counted.lead_peak = kNone;
  for (int64_t j = open.norm_begin; j < open.begin; ++j) {
    count(counted, at(j));
    counted.lead_peak = counted.peak;
  }
  counted.peak = kNone;
  counted.peak_step = at(open.begin).step;
  counted.nonfinite = false;
  for (int64_t j = open.begin; j < end; ++j) count(counted, at(j));
  return counted;
}

void ClassifierStream::begin_incident() {
  const int64_t i = next_;
  Incident incident;
  incident.onset = incident.peak_step = at(i).step;
  incident.settled = incident.norm_peak = kNone;
  const bool has_level = window_.size() >= s_.minimum;
  const RobustLevel now = has_level ? level() : RobustLevel{kNone, kNone};
  incident.baseline = has_level ? now.center : old_baseline_;
  incident.scale = has_level ? now.scale : s_.mad_floor * std::abs(old_baseline_);
  Open open;
  open.place = found_.size();
  open.begin = open.norm_begin = i;
  find_lead(i, open, incident);
  open = counted_until(open, i + 1);
  open.cursor = i + 1;
  open.limit = incident.baseline + s_.recovery_sigmas * incident.scale;
  // Without a baseline any finite value recovers.
  if (std::isnan(open.limit)) open.limit = std::numeric_limits<double>::max();
  found_.push_back({incident, {}, at(i)});
  found_.back().stretch.before = at(open.norm_begin).before;
  open_.push_back(open);
}

// Looks on for the recovery of an open incident; true: found. It begins with a recovered value.
bool ClassifierStream::follow(size_t which) {
  Open& open = open_[which];
  if (open.recovery >= 0) return false;
  for (; open.cursor < size(); ++open.cursor) {
    const Point& point = at(open.cursor);
    if (!point.absent && point.loss <= open.limit) {
      const bool enough = size() - open.cursor >= s_.recovery_window;
      if (!enough && !ended_) return false;
      std::vector<double> values;
      for (int64_t j = open.cursor;
           j < size() && static_cast<int64_t>(values.size()) < s_.recovery_window; ++j)
        if (!at(j).absent) values.push_back(std::isnan(at(j).loss) ? INFINITY : at(j).loss);
      const auto got = static_cast<int64_t>(values.size());
      if (got < s_.recovery_window && !ended_) return false;
      if (got < s_.recovery_window / 2) {
        open.cursor = size();
        return false;
      }
      if (median(std::move(values)) <= open.limit) {
        open.recovery = open.cursor;
        take_recovery(which);
        return true;
      }
    }
    count(open, point);
  }
  return false;
}

void ClassifierStream::take_recovery(size_t which) {
  const Open open = open_[which];
  Incident incident = found_[open.place].verdict;
  incident.recovery = at(open.recovery).step;
  const bool in_time = incident.recovery - incident.onset <= s_.recovery_limit;
  if (!open.settled && !in_time) return;  // settle() waits for what follows the onset
  // What was found on the assumption that there is no recovery is taken back.
  found_.resize(open.place + 1);
  open_.resize(which);
  if (open.settled) {
    incident.peak = open.peak;
    judge(open, incident);
    put(open, incident, open.recovery);
    event_ = open.event;
    old_baseline_ = open.old_baseline;
    suppressed_until_ = open.suppressed_until;
    search_from(open, open.last_step);
    reseed(next_);
    return;
  }
  put(open, incident, open.recovery);
  // The abnormal norms before it belong to it too, so that they do not lead the next one.
  for (int64_t j = open.norm_begin; j < open.recovery; ++j) at(j).flagged = true;
  search_from(open, open.last_step);
}

void ClassifierStream::put(const Open& open, const Incident& incident, int64_t end) {
  Found& found = found_[open.place];
  found.verdict = incident;
  found.verdict.nonfinite = open.nonfinite;
  found.verdict.peak = open.peak;
  found.verdict.peak_step = open.peak_step;
  found.verdict.norm_peak = open.norm_peak;
  found.verdict.last = open.last_step;
  Stretch& stretch = found.stretch;
  stretch.peak_loss = std::fmax(open.lead_peak, open.peak);
  stretch.peak_norm = open.norm_peak;
  stretch.has_next = end < size();
  stretch.through = stretch.has_next ? at(end).before : all_;
  if (!stretch.has_next) return;
  stretch.next_step = at(end).step;
  stretch.next_loss = at(end).loss;
  stretch.next_norm = at(end).grad_norm;
}

void ClassifierStream::search_from(const Open& open, int64_t last) {
  next_ = std::max(open.begin + 1, index_of_step(last + 1));
}

// Types 2 and 3 look at what the curve does from settle_begin to settle_end after the onset; while
// that has not been seen, at its last values.
void ClassifierStream::see_settled(Open& open, Incident& incident) const {
  std::vector<double> x, y;
  const int64_t onset = at(open.begin).step;
  const int64_t begin = index_of_step(onset + s_.settle_begin);
  const int64_t end = index_of_step(onset + s_.settle_end + 1);
  const bool seen = begin < size();
  for (int64_t j = seen ? begin : std::max(open.begin, size() - s_.recovery_window);
       j < (seen ? end : size()); ++j) {
    if (at(j).absent) continue;
    open.ended_nonfinite = !std::isfinite(at(j).loss);
    if (open.ended_nonfinite) continue;
    x.push_back(static_cast<double>(at(j).step));
    y.push_back(at(j).loss);
  }
  open.no_values = y.empty();
  open.level = median(y);
  const double slope = theil_sen_slope(x, y);
  open.growth = seen ? slope * static_cast<double>(s_.settle_end - s_.settle_begin) : kNone;
  if (seen) incident.settled = open.level;
  incident.provisional = at(size() - 1).step < onset + s_.settle_end;
}

void ClassifierStream::judge(const Open& open, Incident& incident) const {
  const double divergent =
      incident.baseline + s_.divergent_share * (incident.peak - incident.baseline);
  const bool lingers = open.level > incident.baseline + s_.lingering_sigmas * incident.scale;
  const bool grows = lingers && open.growth > incident.scale;
  const bool diverged =
      open.ended_nonfinite || open.no_values || (lingers && open.level >= divergent) || grows;
  incident.type = diverged ? IncidentType::divergent : IncidentType::lingering;
}

// The verdict on the newest incident, which did not recover in time; false: not enough was seen.
// The level it left is the new one.
bool ClassifierStream::settle() {
  Open& open = open_.back();
  const int64_t onset = at(open.begin).step;
  if (!ended_ && at(size() - 1).step <= onset + s_.settle_end) return false;
  const int64_t latest = onset + std::max(s_.settle_end, s_.recovery_limit);
  const bool late = open.recovery < 0;
  const int64_t undecided = std::min(open.cursor, size() - 1);
  if (late && !ended_ && at(undecided).step <= latest) return false;
  Incident incident = found_[open.place].verdict;
  if (!late) incident.recovery = at(open.recovery).step;
  see_settled(open, incident);
  const int64_t end =
      std::min(size(), std::max(open.recovery, index_of_step(onset + s_.settle_end)));
  const Open counted = counted_until(open, std::max(open.begin + 1, end));
  incident.peak = counted.peak;
  judge(counted, incident);
  put(counted, incident, std::max(open.begin + 1, end));
  open.settled = true;
  open.event = event_;
  open.old_baseline = old_baseline_;
  open.suppressed_until = suppressed_until_;
  search_from(open, counted.last_step);
  if (!late || ended_) open_.pop_back();
  reseed(next_);
  return true;
}

bool ClassifierStream::search() {
  if (next_ >= size() || (!ended_ && next_ + s_.onset_span > size())) return false;
  cross_events();
  fill_window();
  if (is_onset()) {
    begin_incident();
  } else {
    ++next_;
  }
  return true;
}

void ClassifierStream::advance() {
  while (true) {
    bool recovered = false;
    for (size_t which = 0; which < open_.size() && !recovered; ++which) recovered = follow(which);
    if (recovered) continue;
    const bool waiting = !open_.empty() && !open_.back().settled;
    if (!(waiting ? settle() : search())) return;
  }
}

// Drops the points that nothing looks back at any more.
void ClassifierStream::forget() {
  const int64_t newest = std::min(next_, size() - 1);
  int64_t keep = index_of_step(at(newest).step - s_.lead_span) - s_.window;
  keep = std::min({keep, pending_, next_});
  for (const Open& open : open_)
    keep = std::min(keep, open.settled ? open.cursor : open.norm_begin);
  if (keep <= dropped_) return;
  points_.erase(points_.begin(), points_.begin() + static_cast<std::ptrdiff_t>(keep - dropped_));
  dropped_ = keep;
}

void ClassifierStream::push(const CurvePoint& point) {
  points_.push_back({point, false});
  advance();
  if (size() % static_cast<int64_t>(kForgetEvery) == 0) forget();
}

void ClassifierStream::finish(const LineSums& all) {
  ended_ = true;
  all_ = all;
  if (size() > 0) advance();
}

std::vector<Incident> classify(const Curve& curve, const ClassifierSettings& settings) {
  BALLAST_CHECK(curve.loss.size() == curve.steps.size());
  ClassifierStream stream(settings, !curve.grad_norm.empty());
  for (const int64_t step : curve.level_events) stream.add_level_event(step);
  for (size_t i = 0; i < curve.steps.size(); ++i) {
    CurvePoint point;
    point.step = curve.steps[i];
    point.loss = curve.loss[i];
    if (!curve.grad_norm.empty()) point.grad_norm = curve.grad_norm[i];
    point.absent = !curve.absent.empty() && curve.absent[i] != 0;
    stream.push(point);
  }
  stream.finish();
  std::vector<Incident> incidents;
  for (const ClassifierStream::Found& found : stream.found()) incidents.push_back(found.verdict);
  return incidents;
}

}  // namespace ballast
