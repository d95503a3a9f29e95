// Every k-th value of a series whose neighbours resemble each other, so that tests which take
// independence for granted may be used: k is the smallest lag at which the autocorrelation is below
// a limit. Pure; values must be finite.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ballast {

inline constexpr double kThinningLimit = 0.2;

struct Thinning {
  int64_t every = 1;           // k; 0: no lag up to an eighth of the series is below the limit
  double correlation = 0;      // lag 1, before
  double left = 0;             // lag 1, of what is left; NaN with fewer than two values
  std::vector<double> values;  // what is left
};
// `every` of at least 1 is taken as given, 0 asks for the smallest that does.
Thinning thinned(std::span<const double> values, int64_t every = 0, double limit = kThinningLimit);

}  // namespace ballast
