// What a stretch of a line of a run adds up to, from sums that were taken at its two ends, so that
// it can be said of stretches of any length without keeping their rows. Times are whole
// nanoseconds: differences of sums are exact, wherever the sum began. Pure.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace ballast {

// Of all rows of a line up to some point.
struct LineSums {
  int64_t rows = 0;
  int64_t skipped = 0;
  int64_t step_ns = 0, untimed = 0;     // of steps that say how long they took; of the others
  int64_t speed_ns = 0, unclocked = 0;  // likewise of tokens per second
  // Of the last row.
  int64_t segment = -1, step = 0, time_us = 0, tokens = 0, samples = 0;
};

struct Stretch {
  LineSums before, through;  // up to its first row, and up to its last
  double peak_loss = std::numeric_limits<double>::quiet_NaN();  // largest finite values; NaN: none
  double peak_norm = std::numeric_limits<double>::quiet_NaN();
  // The row behind it.
  bool has_next = false;
  int64_t next_step = 0;
  double next_loss = 0, next_norm = 0;

  void take_peaks(double loss, double norm) {
    if (std::isfinite(loss)) peak_loss = std::fmax(peak_loss, loss);
    if (std::isfinite(norm)) peak_norm = std::fmax(peak_norm, norm);
  }
};

}  // namespace ballast
