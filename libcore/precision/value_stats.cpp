#include "libcore/precision/value_stats.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ballast {
namespace {

constexpr size_t kSums = 8;  // independent partial sums, so that the additions overlap

double add_pairwise(std::array<double, kSums>& sums) {
  for (size_t half = kSums / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

// Everything but the sums, for `times` values of one bit pattern; false for a non-finite one.
bool count_value(ValueStats& stats, float value, int64_t times, uint32_t& smallest,
                 uint32_t& largest) {
  const uint32_t magnitude = std::bit_cast<uint32_t>(value) & 0x7FFFFFFFu;
  if (magnitude >= 0x7F800000u) {
    (magnitude == 0x7F800000u ? stats.n_inf : stats.n_nan) += times;
    return false;
  }
  if (magnitude == 0) {
    stats.n_zero += times;
    return true;
  }
  stats.exponents[magnitude >> 23] += times;
  largest = std::max(largest, magnitude);
  smallest = std::min(smallest, magnitude);
  return true;
}

constexpr uint32_t kNoSmallest = 0x7F800000u;

uint32_t smallest_bits(const ValueStats& stats) {
  return stats.amin_nonzero == 0 ? kNoSmallest : std::bit_cast<uint32_t>(stats.amin_nonzero);
}

void store_range(ValueStats& stats, uint32_t smallest, uint32_t largest) {
  stats.amax = std::bit_cast<float>(largest);
  stats.amin_nonzero = smallest == kNoSmallest ? 0.0f : std::bit_cast<float>(smallest);
}

}  // namespace

double ValueStats::rms() const {
  return n_finite() == 0 ? 0.0 : std::sqrt(sum_x2 / static_cast<double>(n_finite()));
}

double ValueStats::crest() const {
  const double root = rms();
  return root == 0.0 ? 0.0 : static_cast<double>(amax) / root;
}

double ValueStats::kurtosis() const {
  return sum_x2 == 0.0 ? 0.0 : sum_x4 / sum_x2 * (static_cast<double>(n_finite()) / sum_x2);
}

void ValueStats::add(std::span<const float> values) {
  uint32_t smallest = smallest_bits(*this);
  uint32_t largest = std::bit_cast<uint32_t>(amax);
  std::array<double, kSums> squares = {};
  std::array<double, kSums> fourths = {};
  for (size_t i = 0; i < values.size(); ++i) {
    const bool finite = count_value(*this, values[i], 1, smallest, largest);
    const double x = finite ? static_cast<double>(values[i]) : 0.0;
    squares[i % kSums] += x * x;
    fourths[i % kSums] += x * x * (x * x);
  }
  n += static_cast<int64_t>(values.size());
  sum_x2 += add_pairwise(squares);
  sum_x4 += add_pairwise(fourths);
  store_range(*this, smallest, largest);
}

ValueStats ValueStats::of_codes(std::span<const int64_t, kHalfCodes> counts,
                                std::span<const float, kHalfCodes> values) {
  ValueStats stats;
  uint32_t smallest = kNoSmallest;
  uint32_t largest = 0;
  for (size_t code = 0; code < kHalfCodes; ++code) {
    if (counts[code] == 0) continue;
    stats.n += counts[code];
    if (!count_value(stats, values[code], counts[code], smallest, largest)) continue;
    const double x = static_cast<double>(values[code]);
    const auto times = static_cast<double>(counts[code]);
    stats.sum_x2 += times * (x * x);
    stats.sum_x4 += times * (x * x * (x * x));
  }
  store_range(stats, smallest, largest);
  return stats;
}

}  // namespace ballast
