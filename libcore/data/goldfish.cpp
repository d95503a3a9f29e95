#include "libcore/data/goldfish.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "libcore/base/check.h"
#include "libcore/base/strategy_spec.h"

namespace ballast {
namespace {

constexpr int64_t kTableSize = 1000003;
constexpr uint32_t kTableSeed = 2971215073u;  // the 47th Fibonacci number
constexpr uint64_t kRollingBase = 0x9E3779B97F4A7C15u;

// The finaliser of MurmurHash3: every bit of the input reaches every bit of the result.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDu;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

}  // namespace

std::vector<float> goldfish_table() {
  std::mt19937 generator(kTableSeed);
  std::vector<float> table(static_cast<size_t>(kTableSize));
  for (float& entry : table) entry = static_cast<float>(generator() & 0xFFFFFFu) * 0x1p-24f;
  return table;
}

Result<Goldfish> Goldfish::parse(std::string_view text) {
  const std::string flag = "--goldfish";
  StrategySpec spec = BALLAST_TRY(StrategySpec::parse("goldfish:" + std::string(text), flag));
  Goldfish goldfish;
  goldfish.k_ = BALLAST_TRY(spec.take_count("k", 50, 2, int64_t{1} << 31));
  const std::string mode =
      BALLAST_TRY(spec.take_word("mode", "fixed", {"fixed", "apertus", "static"}));
  if (mode == "static") {
    goldfish.mode_ = GoldfishMode::every;
    goldfish.start_ = BALLAST_TRY(spec.take_count("start", 0, 0, goldfish.k_ - 1));
  } else {
    goldfish.h_ = BALLAST_TRY(spec.take_count("h", 50, 1, 4096));
  }
  if (mode == "apertus") {
    goldfish.mode_ = GoldfishMode::apertus;
    goldfish.table_ = goldfish_table();
  }
  BALLAST_TRY(spec.finish());
  return goldfish;
}

void Goldfish::mask(std::span<const int32_t> labels, std::span<uint8_t> drop) const {
  BALLAST_CHECK(labels.size() == drop.size());
  std::ranges::fill(drop, uint8_t{0});
  switch (mode_) {
    case GoldfishMode::every:
      for (size_t i = static_cast<size_t>(start_); i < drop.size(); i += static_cast<size_t>(k_))
        drop[i] = 1;
      return;
    case GoldfishMode::apertus:
      return mask_product(labels, drop);
    case GoldfishMode::fixed:
      return mask_rolling(labels, drop);
  }
}

void Goldfish::mask_product(std::span<const int32_t> labels, std::span<uint8_t> drop) const {
  const auto h = static_cast<size_t>(h_);
  const float limit = static_cast<float>(1.0 / static_cast<double>(k_));
  for (size_t i = h - 1; i < labels.size(); ++i) {
    uint64_t product = 1;
    for (size_t j = i + 1 - h; j <= i; ++j)
      product *= static_cast<uint64_t>(static_cast<int64_t>(labels[j]));
    int64_t key = static_cast<int64_t>(product) % kTableSize;
    if (key < 0) key += kTableSize;
    drop[i] = table_[static_cast<size_t>(key)] < limit ? 1 : 0;
  }
}

// Horner's polynomial of the ids in an odd base, kept for the last h of them.
void Goldfish::mask_rolling(std::span<const int32_t> labels, std::span<uint8_t> drop) const {
  const auto h = static_cast<size_t>(h_);
  uint64_t oldest = 1;  // base^h
  for (size_t i = 0; i < h; ++i) oldest *= kRollingBase;
  const uint64_t limit = (uint64_t{1} << 32) / static_cast<uint64_t>(k_);
  const auto id = [&](size_t i) { return mix(static_cast<uint64_t>(labels[i]) + 1); };
  uint64_t rolling = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    rolling = rolling * kRollingBase + id(i);
    if (i >= h) rolling -= oldest * id(i - h);
    if (i + 1 >= h) drop[i] = mix(rolling) >> 32 < limit ? 1 : 0;
  }
}

std::string Goldfish::spec() const {
  if (mode_ == GoldfishMode::every) return fmt::format("k={},mode=static,start={}", k_, start_);
  return fmt::format("k={},h={},mode={}", k_, h_,
                     mode_ == GoldfishMode::apertus ? "apertus" : "fixed");
}

}  // namespace ballast
