#include "libcore/stats/log_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ballast {
namespace {

const double kLogRatio = std::log(1.01);

}  // namespace

void LogHistogram::add(double value) {
  if (!std::isfinite(value) || value <= 0) return;
  ++buckets_[static_cast<int32_t>(std::floor(std::log(value) / kLogRatio))];
  lowest_ = count_ == 0 ? value : std::min(lowest_, value);
  highest_ = count_ == 0 ? value : std::max(highest_, value);
  ++count_;
}

double LogHistogram::quantile(double q) const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto rank = static_cast<int64_t>(q * static_cast<double>(count_ - 1));
  if (rank <= 0) return lowest_;
  if (rank >= count_ - 1) return highest_;
  int64_t seen = 0;
  for (const auto& [bucket, count] : buckets_) {
    seen += count;
    if (seen <= rank) continue;
    return std::clamp(std::exp((bucket + 0.5) * kLogRatio), lowest_, highest_);
  }
  return highest_;
}

}  // namespace ballast
