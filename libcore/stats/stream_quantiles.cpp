#include "libcore/stats/stream_quantiles.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "libcore/stats/robust.h"

namespace ballast {
namespace {

constexpr int kDropped = 52 - 13;  // binary digits of the fraction that do not count

// Ascends with the value; the bits of negative doubles descend.
int64_t key_of(double value) {
  const auto bits = std::bit_cast<int64_t>(value);
  const int64_t ordered = bits >= 0 ? bits : std::numeric_limits<int64_t>::min() - bits;
  return ordered >> kDropped;
}

// The middle of the values with this key.
double value_of(int64_t key) {
  const int64_t ordered = key * (int64_t{1} << kDropped) + (int64_t{1} << (kDropped - 1));
  const int64_t bits = ordered >= 0 ? ordered : std::numeric_limits<int64_t>::min() - ordered;
  return std::bit_cast<double>(bits);
}

}  // namespace

void StreamQuantiles::add(double value) {
  ++count_;
  if (counts_.empty() && values_.size() < kExact) {
    values_.push_back(value);
    return;
  }
  for (const double held : values_) ++counts_[key_of(held)];
  (void)std::exchange(values_, {});  // `= {}` keeps memory
  ++counts_[key_of(value)];
  sorted_.clear();
}

double StreamQuantiles::at(int64_t rank) const {
  for (const auto& [key, count] : sorted_) {
    if (rank < count) return value_of(key);
    rank -= count;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double StreamQuantiles::quantile(double p) const {
  if (counts_.empty()) return ballast::quantile(values_, p);
  if (sorted_.empty()) {
    sorted_.assign(counts_.begin(), counts_.end());
    std::sort(sorted_.begin(), sorted_.end());
  }
  const double position = p * static_cast<double>(count_ - 1);
  const auto below = static_cast<int64_t>(position);
  const double low = at(below);
  if (below + 1 >= count_) return low;
  return low + (position - static_cast<double>(below)) * (at(below + 1) - low);
}

}  // namespace ballast
