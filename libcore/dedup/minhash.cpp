#include "libcore/dedup/minhash.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "libcore/base/check.h"
#include "libcore/dedup/simplify.h"

namespace ballast {
namespace {

constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;

constexpr MinHashPreset kPresets[] = {
    {"datatrove", 14, 8, Shingle::words, 5, 1},
    {"curator", 20, 13, Shingle::characters, 24, 42},
};

// What NumPy's RandomState(seed).randint(low, kPrime) draws: 61 bits of two words of the Mersenne
// Twister, the first one high, again while they lie outside.
uint64_t draw(std::mt19937& twister, uint64_t low) {
  while (true) {
    const uint64_t high = twister();
    const uint64_t value = (high << 32 | static_cast<uint32_t>(twister())) & kPrime;
    if (value < kPrime - low) return low + value;
  }
}

uint64_t reduce(uint64_t value) {
  const uint64_t folded = (value & kPrime) + (value >> 61);
  return folded >= kPrime ? folded - kPrime : folded;
}

}  // namespace

std::span<const MinHashPreset> minhash_presets() { return kPresets; }

const MinHashPreset* find_minhash_preset(std::string_view name) {
  for (const MinHashPreset& preset : kPresets) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

double candidate_chance(const MinHashPreset& preset, double s) {
  return 1 - std::pow(1 - std::pow(s, preset.rows), preset.bands);
}

MinHasher::MinHasher(const MinHashPreset& preset) : preset_(preset) {
  std::mt19937 twister(preset.seed);
  const auto hashes = static_cast<size_t>(preset.hashes());
  for (size_t i = 0; i < hashes; ++i) a_.push_back(draw(twister, 1));
  for (size_t i = 0; i < hashes; ++i) b_.push_back(draw(twister, 0));
}

void MinHasher::word_shingles(std::string_view text) {
  simplify_text(text, simple_);
  splitter_.split(simple_, words_);
  joined_.clear();
  starts_.clear();
  for (const Word& word : words_) {
    starts_.push_back(joined_.size());
    joined_ += word.of(simple_);
    joined_ += ' ';
  }
  starts_.push_back(joined_.size());
  const auto length = static_cast<size_t>(preset_.length);
  for (size_t i = 0; i + length < starts_.size(); ++i)
    shingles_.push_back(
        XXH64(joined_.data() + starts_[i], starts_[i + length] - 1 - starts_[i], 0));
}

void MinHasher::character_shingles(std::string_view text) {
  starts_.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) starts_.push_back(i);
  }
  starts_.push_back(text.size());
  const size_t chars = starts_.size() - 1;
  const size_t length = std::min(static_cast<size_t>(preset_.length), chars);
  if (chars == 0) return;
  for (size_t i = 0; i + length <= chars; ++i)
    shingles_.push_back(XXH64(text.data() + starts_[i], starts_[i + length] - starts_[i], 0));
}

std::span<const uint64_t> MinHasher::shingles(std::string_view text) {
  shingles_.clear();
  if (preset_.shingle == Shingle::words) {
    word_shingles(text);
  } else {
    character_shingles(text);
  }
  return shingles_;
}

void MinHasher::sign(std::span<const uint64_t> shingles, std::vector<uint64_t>& signature) const {
  BALLAST_CHECK(!shingles.empty());
  const size_t hashes = a_.size();
  signature.assign(hashes, kPrime);
  for (const uint64_t x : shingles) {
    for (size_t j = 0; j < hashes; ++j)
      signature[j] = std::min(signature[j], reduce(x * a_[j] + b_[j]));
  }
}

void MinHasher::band_keys(std::string_view text, std::span<Hash128> keys) {
  BALLAST_CHECK(keys.size() == static_cast<size_t>(preset_.bands));
  const std::span<const uint64_t> found = shingles(text);
  if (found.empty()) {
    std::fill(keys.begin(), keys.end(), Hash128{});
    return;
  }
  sign(found, signature_);
  const auto rows = static_cast<size_t>(preset_.rows);
  for (size_t band = 0; band < keys.size(); ++band)
    keys[band] = xxh3_128(std::as_bytes(std::span(signature_).subspan(band * rows, rows)));
}

}  // namespace ballast
