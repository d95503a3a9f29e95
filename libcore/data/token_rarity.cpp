#include "libcore/data/token_rarity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ballast {
namespace {

constexpr double kBorders[] = {0.01, 0.1, 0.5};  // of all tokens, from the rarest on

}  // namespace

void Rarity::add(const Rarity& other) {
  tokens += other.tokens;
  bits += other.bits;
  rare += other.rare;
  unseen += other.unseen;
}

TokenRarity::TokenRarity(std::vector<double> counts)
    : counts_(std::move(counts)), classes_(counts_.size(), 0) {
  total_ = std::accumulate(counts_.begin(), counts_.end(), 0.0);
  std::vector<size_t> order(counts_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t id) { return counts_[id]; });
  double sum = 0;
  for (const size_t id : order) {
    sum += counts_[id];
    if (counts_[id] < 0.5) continue;
    const auto passed =
        std::ranges::count_if(kBorders, [&](double border) { return sum > border * total_; });
    classes_[id] = static_cast<uint8_t>(1 + passed);
  }
}

std::vector<double> TokenRarity::shares_by_class(std::span<const double> times) const {
  std::vector<double> shares(kClasses, 0);
  const double sum = std::accumulate(times.begin(), times.end(), 0.0);
  for (size_t id = 0; id < times.size() && sum > 0; ++id)
    shares[static_cast<size_t>(class_of(static_cast<int32_t>(id)))] += times[id] / sum;
  return shares;
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
    sum.rare += is_rare(id) ? 1 : 0;
    sum.unseen += is_unseen(id) ? 1 : 0;
  }
  return sum;
}

std::vector<int32_t> TokenRarity::rarest(std::span<const int32_t> ids, size_t most) const {
  std::vector<int32_t> distinct(ids.begin(), ids.end());
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::ranges::stable_sort(distinct, {}, [&](int32_t id) { return knows(id) ? count(id) : 0.0; });
  distinct.resize(std::min(distinct.size(), most));
  return distinct;
}

std::vector<double> surprisals(std::span<const double> counts,
                               std::span<const std::vector<int32_t>> sequences, bool among) {
  std::vector<double> others(counts.begin(), counts.end());
  for (const std::vector<int32_t>& sequence : sequences)
    for (const int32_t id : sequence)
      if (among) others[static_cast<size_t>(id)] -= 1;
  double total = 0;
  for (double& count : others) {
    count = std::max(count, 0.0);  // expected counts may be smaller
    total += count + 1;
  }
  std::vector<double> means;
  for (const std::vector<int32_t>& sequence : sequences) {
    double bits = 0;
    for (const int32_t id : sequence)
      bits += std::log2(total / (others[static_cast<size_t>(id)] + 1));
    means.push_back(sequence.empty() ? 0 : bits / static_cast<double>(sequence.size()));
  }
  return means;
}

}  // namespace ballast
