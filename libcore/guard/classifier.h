// Offline classification of incidents in a whole loss curve, in hindsight (the guard never uses
// it). Baseline b = median and s = 1.4826 MAD (floored) of the `window` values that end `gap` steps
// before the candidate, values of incidents excluded, never reaching across an event that moves the
// level. Type 1: recovered by itself; type 2: stays above the old level without growing; type 3:
// non-finite, near the peak, or growing. Provisional until `settle_end` steps after the onset have
// been seen. Deterministic and pure. O(n log w).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

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

}  // namespace ballast
