// Offline classification of incidents in a whole loss curve, in hindsight (the guard never uses
// it). Baseline b = median and s = 1.4826 MAD (floored) of the `window` values that end `gap` steps
// before the candidate, values of incidents excluded, never reaching across an event that moves the
// level. Type 1: recovered by itself; type 2: stays above the old level without growing; type 3:
// non-finite, near the peak, or growing. Provisional until `settle_end` steps after the onset have
// been seen. Deterministic and pure. O(n log w). One law in two forms: over a whole curve, and over
// a stream of its points in memory that does not grow with their number.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "libcore/guard/stretch.h"
#include "libcore/stats/robust.h"

namespace ballast {

struct ClassifierSettings {
  int64_t window = 500;  // values of the baseline
  int64_t recent = 50;   // its newest values, which are the baseline by themselves where their
  double falling_sigmas = 0.5;   // median lies so many scales under that of the window
  int64_t gap = 10;              // steps between the baseline and the candidate
  int64_t minimum = 32;          // values without which there is no baseline
  double mad_floor = 1e-3;       // s >= mad_floor * |b|
  double onset_sigmas = 6;       // value > b + onset_sigmas s ...
  int64_t onset_votes = 2;       // ... in this many
  int64_t onset_span = 3;        // ... of this many steps, the candidate first
  double onset_ratio = 1.5;      // or value > onset_ratio * b, once
  int64_t suppress = 50;         // steps after an event without a verdict, unless
  double suppress_ratio = 2;     // non-finite or > suppress_ratio * b (baseline before the event)
  int64_t recovery_window = 20;  // recovered where the median of so many values
  double recovery_sigmas = 2;    // is <= b + recovery_sigmas s
  int64_t recovery_limit = 500;  // type 1: within so many steps of the onset
  int64_t settle_begin = 500;    // types 2 and 3 look at these steps after the onset
  int64_t settle_end = 1000;
  double lingering_sigmas = 3;   // type 2: their median > b + lingering_sigmas s
  double divergent_share = 0.5;  // type 3: their median >= b + share * (peak - b)
  double lead_sigmas = 6;        // the norm leads: log(norm) above its own baseline
  double log_norm_floor = 0.05;  // scale of log(norm) >= log_norm_floor
  int64_t lead_span = 50;        // within so many steps before the onset
};

// Parallel arrays, one entry per step, steps ascending.
struct Curve {
  std::span<const int64_t> steps;
  std::span<const double> loss;
  std::span<const double> grad_norm;      // may be empty
  std::span<const uint8_t> absent;        // 1: no loss was recorded; may be empty: none
  std::span<const int64_t> level_events;  // steps whose level may differ from earlier ones
};

enum class IncidentType { recoverable = 1, lingering = 2, divergent = 3 };

struct Incident {
  IncidentType type = IncidentType::recoverable;
  bool provisional = false;  // fewer than settle_end steps seen since the onset
  bool nonfinite = false;
  int64_t onset = 0;  // all steps
  int64_t peak_step = 0;
  int64_t last = 0;         // last step that belongs to it
  int64_t recovery = -1;    // -1: not recovered
  int64_t norm_onset = -1;  // first of the abnormal norms leading up to it; -1: none
  int64_t lead = 0;         // onset - norm_onset
  double baseline = 0;      // b
  double scale = 0;         // s
  double peak = 0;          // largest finite loss
  double norm_peak = 0;     // largest finite norm from norm_onset (or onset) to last; NaN: none
  double settled = 0;       // median loss of settle_begin..settle_end; NaN: not seen
};

std::vector<Incident> classify(const Curve& curve, const ClassifierSettings& settings = {});

struct CurvePoint {
  int64_t step = 0;
  double loss = 0;
  double grad_norm = 0;
  bool absent = false;    // no loss was recorded
  bool surviving = true;  // passed on
  int64_t segment = -1;   // likewise
  LineSums before;        // for Found::stretch
};

// Whether a curve recovers from an incident may show arbitrarily late, and what is found behind the
// incident depends on it. So a search goes on as if it never did; if it does, what that search
// found is taken back. Copies are independent: a branch of a run is a copy made where it forks.
class ClassifierStream {
 public:
  struct Found {
    Incident verdict;
    Stretch stretch;  // from the first abnormal point, of the norm or the loss, to the last
    CurvePoint onset;
  };

  explicit ClassifierStream(const ClassifierSettings& settings = {}, bool has_norms = true);
  // A step whose level may differ from earlier ones; before the first point at or after it.
  void add_level_event(int64_t step) { events_.push_back(step); }
  void push(const CurvePoint& point);     // steps ascend
  void finish(const LineSums& all = {});  // no more points follow
  size_t held() const { return points_.size(); }
  // Until finish() the last ones are not settled yet.
  const std::vector<Found>& found() const { return found_; }

 private:
  struct Point : CurvePoint {
    bool flagged = false;  // belongs to an incident
  };
  // An incident that the curve has not recovered from yet.
  struct Open {
    size_t place = 0;  // in found_; what lies behind it holds only while there is no recovery
    double limit = 0;  // recovered at or below it
    int64_t begin = 0, norm_begin = 0;
    int64_t cursor = 0;  // next position to look for the recovery at; points before it are counted:
    int64_t last_step = 0;
    double peak = 0, norm_peak = 0;
    double lead_peak = 0;  // of the losses from norm_begin to begin
    int64_t peak_step = 0;
    bool nonfinite = false;
    int64_t recovery = -1;  // position; found before the incident is settled
    bool settled = false;
    // Of settle_begin..settle_end.
    double level = 0, growth = 0;
    bool no_values = false, ended_nonfinite = false;
    // To search on behind the recovery.
    size_t event = 0;
    double old_baseline = 0;
    int64_t suppressed_until = 0;
  };

  int64_t size() const { return dropped_ + static_cast<int64_t>(points_.size()); }
  const Point& at(int64_t i) const { return points_[static_cast<size_t>(i - dropped_)]; }
  Point& at(int64_t i) { return points_[static_cast<size_t>(i - dropped_)]; }
  int64_t index_of_step(int64_t step) const;  // first held position at or after it
  RobustLevel level() const;
  void reseed(int64_t begin);
  void cross_events();
  void fill_window();
  bool is_onset() const;
  void advance();
  bool search();
  void begin_incident();
  void find_lead(int64_t i, Open& open, Incident& incident) const;
  bool follow(size_t which);
  void count(Open& open, const Point& point) const;
  Open counted_until(const Open& open, int64_t end) const;
  void take_recovery(size_t which);
  bool settle();
  void see_settled(Open& open, Incident& incident) const;
  void judge(const Open& open, Incident& incident) const;
  void put(const Open& open, const Incident& incident, int64_t end);
  void search_from(const Open& open, int64_t last);
  void forget();

  ClassifierSettings s_;
  bool has_norms_;
  bool ended_ = false;
  LineSums all_;  // once it ended
  std::deque<Point> points_;
  int64_t dropped_ = 0;  // points before points_
  std::vector<int64_t> events_;
  SortedWindow window_;            // the baseline
  SortedWindow recent_;            // its newest values, for falling curves
  int64_t next_ = 0;               // position the search has come to
  int64_t pending_ = 0;            // next position to enter the window
  int64_t level_begin_ = 0;        // no value before it may be used: an event lies between
  size_t event_ = 0;               // next of events_
  double old_baseline_;            // before the last event
  int64_t suppressed_until_ = -1;  // step
  std::vector<Open> open_;         // each within the assumption that those before do not recover
  std::vector<Found> found_;
};

}  // namespace ballast
