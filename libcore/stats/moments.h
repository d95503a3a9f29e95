// Running count, mean, variance and extremes of a series (Welford), and their merge over parts
// (Chan, Golub, LeVeque 1979). Non-finite values are counted apart and change nothing else. One
// thread; no errors.
#pragma once

#include <cstdint>
#include <limits>

namespace ballast {

class RunningMoments {
 public:
  void add(double value);
  void merge(const RunningMoments& other);

  int64_t count() const { return count_; }          // finite values
  int64_t nonfinite() const { return nonfinite_; }  // NaN and infinite ones
  double mean() const;                              // NaN when empty, like all below
  double variance() const;                          // population (divisor n)
  double sample_variance() const;                   // divisor n - 1
  double minimum() const;
  double maximum() const;

 private:
  int64_t count_ = 0;
  int64_t nonfinite_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // sum of squared distances from the mean
  double minimum_ = std::numeric_limits<double>::infinity();
  double maximum_ = -std::numeric_limits<double>::infinity();
};

}  // namespace ballast
