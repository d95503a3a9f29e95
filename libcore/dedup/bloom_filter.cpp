#include "libcore/dedup/bloom_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ballast {
namespace {

constexpr int64_t kMostItems = int64_t{1} << 40;
constexpr double kLeastRate = 1e-18, kMostRate = 0.5;

// A finaliser of full avalanche: neighbouring inputs give unrelated outputs.
uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

}  // namespace

Result<BloomPlan> plan_bloom(int64_t capacity, double rate) {
  if (capacity < 1 || capacity > kMostItems)
    return usage_error("capacity out of range", fmt::to_string(capacity), "1 to 2^40");
  if (!(rate >= kLeastRate && rate <= kMostRate))
    return usage_error("rate of false positives out of range", fmt::to_string(rate),
                       "1e-18 to 0.5");
  const double ln2 = std::numbers::ln2;
  const double items = static_cast<double>(capacity);
  const double bits = std::ceil(-items * std::log(rate) / (ln2 * ln2));
  BloomPlan plan{capacity, rate, 0, 0};
  plan.bits = (static_cast<int64_t>(bits) + 63) / 64 * 64;
  plan.probes = std::max(1, static_cast<int>(std::lround(bits / items * ln2)));
  return plan;
}

// Probes are mixed from the two halves: sums of them in arithmetic progression (Kirsch and
// Mitzenmacher, 2006) reach the planned rate only in the limit of large filters.
bool BloomFilter::insert(const Hash128& hash) {
  const auto bits = static_cast<unsigned __int128>(plan_.bits);
  bool fresh = false;
  for (int i = 0; i < plan_.probes; ++i) {
    const uint64_t random = mix(hash.low + static_cast<uint64_t>(i) * (hash.high | 1));
    const auto bit = static_cast<uint64_t>(random * bits >> 64);
    uint64_t& word = words_[bit / 64];
    const uint64_t mask = uint64_t{1} << bit % 64;
    if (word & mask) continue;
    word |= mask;
    ++set_;
    fresh = true;
  }
  fresh_ += fresh ? 1 : 0;
  return fresh;
}

double BloomFilter::rate_now() const {
  return std::pow(static_cast<double>(set_) / static_cast<double>(plan_.bits), plan_.probes);
}

}  // namespace ballast
