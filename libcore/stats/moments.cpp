#include "libcore/stats/moments.h"

#include <algorithm>
#include <cmath>

namespace ballast {
namespace {
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
}

void RunningMoments::add(double value) {
  if (!std::isfinite(value)) {
    ++nonfinite_;
    return;
  }
  ++count_;
  const double difference = value - mean_;
  mean_ += difference / static_cast<double>(count_);
  squares_ += difference * (value - mean_);
  minimum_ = std::min(minimum_, value);
  maximum_ = std::max(maximum_, value);
}

void RunningMoments::merge(const RunningMoments& other) {
  nonfinite_ += other.nonfinite_;
  if (other.count_ == 0) return;
  const auto mine = static_cast<double>(count_);
  const auto theirs = static_cast<double>(other.count_);
  const double difference = other.mean_ - mean_;
  count_ += other.count_;
  const auto total = static_cast<double>(count_);
  mean_ += difference * theirs / total;
  squares_ += other.squares_ + difference * difference * mine * theirs / total;
  minimum_ = std::min(minimum_, other.minimum_);
  maximum_ = std::max(maximum_, other.maximum_);
}

double RunningMoments::mean() const { return count_ > 0 ? mean_ : kNone; }
double RunningMoments::variance() const {
  return count_ > 0 ? squares_ / static_cast<double>(count_) : kNone;
}
double RunningMoments::sample_variance() const {
  return count_ > 1 ? squares_ / static_cast<double>(count_ - 1) : kNone;
}
double RunningMoments::minimum() const { return count_ > 0 ? minimum_ : kNone; }
double RunningMoments::maximum() const { return count_ > 0 ? maximum_ : kNone; }

}  // namespace ballast
