#include "libcore/data/order.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "libcore/base/hash.h"
#include "libcore/base/rng.h"

namespace ballast {
namespace {

// Slots per source: weights scaled to 65,536, the largest remainders rounded up, ties to the first.
std::vector<int64_t> round_weights(const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<int64_t> slots;
  std::vector<std::pair<double, size_t>> remainders;
  int64_t total = 0;
  for (size_t s = 0; s < weights.size(); ++s) {
    const double exact = weights[s] / sum * static_cast<double>(kSlots);
    slots.push_back(static_cast<int64_t>(std::floor(exact)));
    remainders.emplace_back(-(exact - std::floor(exact)), s);
    total += slots.back();
  }
  std::sort(remainders.begin(), remainders.end());
  for (size_t i = 0; total < kSlots; ++i, ++total)
    ++slots[remainders[i % remainders.size()].second];
  return slots;
}

struct FeistelKey {
  uint64_t seed, stream;
  int half_bits;
};

uint64_t round_function(const FeistelKey& key, int round, uint64_t right) {
  const uint64_t word = philox(key.seed, key.stream, right * 8 + static_cast<uint64_t>(round))[0];
  return word & ((uint64_t{1} << key.half_bits) - 1);
}

constexpr int kRounds = 6;

uint64_t feistel(const FeistelKey& key, uint64_t value) {
  const uint64_t mask = (uint64_t{1} << key.half_bits) - 1;
  uint64_t left = value >> key.half_bits, right = value & mask;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t next = left ^ round_function(key, round, right);
    left = right;
    right = next;
  }
  return left << key.half_bits | right;
}

uint64_t feistel_inverse(const FeistelKey& key, uint64_t value) {
  const uint64_t mask = (uint64_t{1} << key.half_bits) - 1;
  uint64_t left = value >> key.half_bits, right = value & mask;
  for (int round = kRounds; round-- > 0;) {
    const uint64_t previous = right ^ round_function(key, round, left);
    right = left;
    left = previous;
  }
  return left << key.half_bits | right;
}

// The smallest even number of bits that holds n values: less than four walks on average.
FeistelKey make_key(int64_t n, uint64_t seed, uint64_t stream, int64_t epoch) {
  const int bits = std::max(2, static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1))));
  return {seed, stream + 0x9E3779B97F4A7C15u * static_cast<uint64_t>(epoch), (bits + 1) / 2};
}

}  // namespace

int64_t permute(int64_t index, int64_t n, uint64_t seed, uint64_t stream, int64_t epoch) {
  BALLAST_CHECK(index >= 0 && index < n);
  const FeistelKey key = make_key(n, seed, stream, epoch);
  auto value = static_cast<uint64_t>(index);
  do {
    value = feistel(key, value);
  } while (value >= static_cast<uint64_t>(n));
  return static_cast<int64_t>(value);
}

int64_t unpermute(int64_t index, int64_t n, uint64_t seed, uint64_t stream, int64_t epoch) {
  BALLAST_CHECK(index >= 0 && index < n);
  const FeistelKey key = make_key(n, seed, stream, epoch);
  auto value = static_cast<uint64_t>(index);
  do {
    value = feistel_inverse(key, value);
  } while (value >= static_cast<uint64_t>(n));
  return static_cast<int64_t>(value);
}

Result<DataOrder> DataOrder::make(uint64_t data_seed, std::vector<DataSource> sources,
                                  std::vector<DataPhase> phases) {
  if (sources.empty() || phases.empty()) return usage_error("no training data given");
  if (sources.size() > 65535)
    return usage_error(fmt::format("{} data sources (at most 65535)", sources.size()));
  DataOrder order;
  for (const DataSource& source : sources) {
    if (source.windows < 1) return usage_error("shard is shorter than one sequence", source.name);
    const uint64_t stream = xxh3_64(source.name);
    if (std::ranges::find(order.stream_, stream) != order.stream_.end()) {
      return usage_error("data source is given twice", source.name);
    }
    order.stream_.push_back(stream);
  }
  order.sources_ = std::move(sources);
  for (const DataPhase& phase : phases) {
    const auto bad = [](double w) { return !std::isfinite(w) || w < 0; };
    if (phase.weights.size() != order.sources_.size() || std::ranges::any_of(phase.weights, bad) ||
        std::accumulate(phase.weights.begin(), phase.weights.end(), 0.0) <= 0) {
      return usage_error("data weights must be finite, not negative and not all 0, one per source");
    }
    const bool first = order.phases_.empty();
    if (first ? phase.first_sample != 0 : phase.first_sample <= order.phases_.back().first_sample) {
      return usage_error(
          fmt::format("data phases must ascend from sample 0, not {}", phase.first_sample));
    }
    Phase laid;
    laid.first_sample = phase.first_sample;
    laid.seed = phase.seed.value_or(data_seed);
    laid.slots_of = round_weights(phase.weights);
    for (size_t s = 0; s < order.sources_.size(); ++s) {
      laid.base.push_back(first ? 0 : order.drawn(static_cast<int>(s), phase.first_sample));
    }
    // Error diffusion: each slot goes to the source that lags furthest behind its share.
    std::vector<int64_t> given(order.sources_.size(), 0);
    for (int64_t j = 0; j < kSlots; ++j) {
      size_t best = 0;
      int64_t best_lag = INT64_MIN;
      for (size_t s = 0; s < given.size(); ++s) {
        const int64_t lag = laid.slots_of[s] * (j + 1) - given[s] * kSlots;
        if (lag > best_lag && given[s] < laid.slots_of[s]) {
          best_lag = lag;
          best = s;
        }
      }
      laid.source_of_slot.push_back(static_cast<uint16_t>(best));
      laid.rank_of_slot.push_back(static_cast<int32_t>(given[best]++));
    }
    laid.slots.resize(static_cast<size_t>(kSlots));
    for (int32_t begin = 0; const int64_t count : laid.slots_of) {
      laid.first_slot.push_back(begin);
      begin += static_cast<int32_t>(count);
    }
    for (size_t j = 0; j < laid.slots.size(); ++j)
      laid.slots[static_cast<size_t>(laid.first_slot[laid.source_of_slot[j]] +
                                     laid.rank_of_slot[j])] = static_cast<int32_t>(j);
    order.phases_.push_back(std::move(laid));
  }
  return order;
}

const DataOrder::Phase& DataOrder::phase_of(int64_t sample) const {
  return phases_[static_cast<size_t>(phase_index(sample))];
}

int64_t DataOrder::phase_index(int64_t sample) const {
  size_t i = phases_.size() - 1;
  while (phases_[i].first_sample > sample) --i;
  return static_cast<int64_t>(i);
}

int64_t DataOrder::drawn_in_phase(const Phase& phase, int source, int64_t samples) const {
  const int64_t periods = samples / kSlots, rest = samples % kSlots;
  int64_t count = periods * phase.slots_of[static_cast<size_t>(source)];
  for (int64_t j = 0; j < rest; ++j)
    count += phase.source_of_slot[static_cast<size_t>(j)] == source ? 1 : 0;
  return count;
}

int64_t DataOrder::drawn(int source, int64_t samples) const {
  if (samples <= 0) return 0;
  const Phase& phase = phase_of(samples - 1);
  return phase.base[static_cast<size_t>(source)] +
         drawn_in_phase(phase, source, samples - phase.first_sample);
}

SampleAddress DataOrder::at(int64_t sample) const {
  BALLAST_CHECK(sample >= 0);
  const Phase& phase = phase_of(sample);
  const int64_t offset = sample - phase.first_sample;
  const auto slot = static_cast<size_t>(offset % kSlots);
  const size_t source = phase.source_of_slot[slot];
  const int64_t ordinal =
      phase.base[source] + offset / kSlots * phase.slots_of[source] + phase.rank_of_slot[slot];
  const int64_t windows = sources_[source].windows;
  const int64_t epoch = ordinal / windows;
  return {static_cast<int>(source), epoch,
          permute(ordinal % windows, windows, phase.seed, stream_[source], epoch)};
}

// -1: not in this phase below `samples`.
int64_t DataOrder::find_in_phase(size_t p, const SampleAddress& address, int64_t samples) const {
  const auto source = static_cast<size_t>(address.source);
  const int64_t windows = sources_[source].windows;
  const Phase& phase = phases_[p];
  const int64_t ordinal = address.epoch * windows + unpermute(address.window, windows, phase.seed,
                                                              stream_[source], address.epoch);
  const int64_t slots = phase.slots_of[source];
  if (phase.base[source] > ordinal || slots == 0) return -1;
  const int64_t within = ordinal - phase.base[source];
  const int32_t slot = phase.slots[static_cast<size_t>(phase.first_slot[source] + within % slots)];
  const int64_t sample = phase.first_sample + within / slots * kSlots + slot;
  const bool in_phase = p + 1 == phases_.size() || sample < phases_[p + 1].first_sample;
  return in_phase && sample < samples ? sample : -1;
}

int64_t DataOrder::find(const SampleAddress& address, int64_t samples) const {
  for (size_t p = phases_.size(); p-- > 0;) {
    const int64_t sample = find_in_phase(p, address, samples);
    if (sample >= 0) return sample;
  }
  return -1;
}

std::vector<int64_t> DataOrder::find_all(const SampleAddress& address, int64_t samples) const {
  std::vector<int64_t> found;
  for (size_t p = 0; p < phases_.size(); ++p) {
    const int64_t sample = find_in_phase(p, address, samples);
    if (sample >= 0) found.push_back(sample);
  }
  return found;
}

}  // namespace ballast
