#include "libcore/data/token_rarity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libcore/base/check.h"

namespace ballast {
namespace {

constexpr double kRareShare = 0.01;  // of all tokens

}  // namespace

void Rarity::add(const Rarity& other) {
  tokens += other.tokens;
  bits += other.bits;
  rare += other.rare;
  unseen += other.unseen;
}

TokenRarity::TokenRarity(std::vector<double> counts)
    : counts_(std::move(counts)), rare_(counts_.size(), 0) {
  total_ = std::accumulate(counts_.begin(), counts_.end(), 0.0);
  std::vector<size_t> order(counts_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t id) { return counts_[id]; });
  double sum = 0;
  for (const size_t id : order) {
    sum += counts_[id];
    if (sum > kRareShare * total_) break;
    rare_[id] = 1;
  }
}

double TokenRarity::bits(int32_t id) const {
  const double times = knows(id) ? count(id) : 0;
  return std::log2((total_ + static_cast<double>(counts_.size())) / (times + 1));
}

Rarity TokenRarity::of(std::span<const int32_t> ids) const {
  Rarity sum;
  for (const int32_t id : ids) {
    ++sum.tokens;
    sum.bits += bits(id);
    sum.rare += !knows(id) || is_rare(id) ? 1 : 0;
    sum.unseen += !knows(id) || is_unseen(id) ? 1 : 0;
  }
  return sum;
}

std::vector<int32_t> TokenRarity::rarest(std::span<const int32_t> ids, size_t most) const {
  std::vector<int32_t> distinct(ids.begin(), ids.end());
  std::ranges::sort(distinct);
  distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
  std::ranges::stable_sort(distinct, {}, [&](int32_t id) { return knows(id) ? count(id) : 0.0; });
  distinct.resize(std::min(distinct.size(), most));
  return distinct;
}

double surprisal_among(std::span<const double> counts, double total,
                       std::span<const int64_t> times) {
  BALLAST_CHECK(times.size() == counts.size());
  const auto tokens = static_cast<double>(std::accumulate(times.begin(), times.end(), int64_t{0}));
  const double all = std::log2(total - tokens + static_cast<double>(counts.size()));
  double bits = 0;
  for (size_t id = 0; id < counts.size(); ++id) {
    if (times[id] == 0) continue;
    const auto n = static_cast<double>(times[id]);
    bits += n * (all - std::log2(counts[id] - n + 1));
  }
  return tokens > 0 ? bits / tokens : 0;
}

}  // namespace ballast
