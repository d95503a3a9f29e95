// Series in which nothing happens, made of the calm part of a real one: how often a law that looks
// for spikes fires on them is its rate of false alarms. A calm series is taken apart as
//   x_t = level_t + scale_t r_t
// with level the median of `window` values around t and scale sqrt(pi/2) times their mean absolute
// distance from it, which is the deviation of normal values, and not 0 where a log has rounded most
// of them to the same: what of the series is slow. The rest, r, is then replaced:
//   shuffled   r in another order, in blocks, whose neighbours stay neighbours: the tails of the
//              real values, but no clusters longer than a block
//   simulated  normal r with the lag-1 correlation of the real ones: no tails either (of logarithms
//              of norms: lognormal norms)
// Pure; values must be finite. The same seed and repeat give the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ballast {

struct CalmModel {
  std::vector<double> level, scale, residual;  // r; all as long as the series
  double correlation = 0;                      // lag 1 of r
  int64_t lag = 0;  // smallest at which it is below kThinningLimit; 0: none up to an eighth
};

// `starts` are the indices, ascending and the first 0, at which the series begins anew: no window
// reaches across one. At the ends of such a stretch the window of the level shrinks, so that it
// stays centred; that of the scale is the nearest whole one. scale >= `floor`.
CalmModel calm_model(std::span<const double> x, std::span<const int64_t> starts, int64_t window,
                     double floor);

// Steps that are shuffled together: 1 where neighbours do not depend on each other, else ten times
// the lag at which they no longer do, so that nine of ten such pairs stay together; at most an
// eighth of the series.
int64_t shuffle_block(const CalmModel& model);

// Blocks begin at a random offset, around the ends. block >= 1.
std::vector<double> shuffled(const CalmModel& model, int64_t block, uint64_t seed, int64_t repeat);
std::vector<double> simulated(const CalmModel& model, uint64_t seed, int64_t repeat);

}  // namespace ballast
