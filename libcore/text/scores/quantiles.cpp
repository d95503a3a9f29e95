#include "libcore/text/scores/quantiles.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "libcore/base/check.h"

namespace ballast {
namespace {

// +0.0 and -0.0 are one number to their reader: what is added comes as +0.0.
uint64_t key_of(double value, int dropped) {
  return std::bit_cast<uint64_t>(value) >> dropped << dropped;
}

}  // namespace

void QuantileCounter::add(double value) {
  BALLAST_CHECK(std::isfinite(value));
  ++count_;
  ++counts_[key_of(value + 0.0, dropped_)];
  if (counts_.size() > capacity_) coarsen();
}

void QuantileCounter::coarsen() {
  while (counts_.size() > capacity_ && dropped_ < 52) {
    ++dropped_;
    std::unordered_map<uint64_t, int64_t> coarser;
    for (const auto& [key, count] : counts_) coarser[key >> dropped_ << dropped_] += count;
    counts_ = std::move(coarser);
  }
}

double QuantileCounter::limit(double share, bool top) const {
  BALLAST_CHECK(count_ > 0);
  std::vector<std::pair<double, int64_t>> values;
  for (const auto& [key, count] : counts_) values.emplace_back(std::bit_cast<double>(key), count);
  std::sort(values.begin(), values.end(), [top](const auto& a, const auto& b) {
    return top ? a.first > b.first : a.first < b.first;
  });
  const double allowed = share * static_cast<double>(count_);
  int64_t kept = 0;
  double last = values.front().first;
  for (const auto& [value, count] : values) {
    kept += count;
    if (static_cast<double>(kept) > allowed) break;
    last = value;
  }
  return last;
}

}  // namespace ballast
