// MinHash signatures and their bands (Broder, "On the resemblance and containment of documents",
// 1997; locality-sensitive hashing as in Leskovec, Rajaraman and Ullman, "Mining of massive
// datasets", 3.4). A text is a set of shingles; hash j of its signature is the least of
// (a_j x + b_j mod 2^64) mod (2^61 - 1) over the shingles' hashes x. Two texts agree in one hash
// with the chance s, the Jaccard similarity of their shingles; they are candidates if all rows of
// one band agree: 1 - (1 - s^rows)^bands. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/text/quality/words.h"

namespace ballast {

enum class Shingle { words, characters };

struct MinHashPreset {
  const char* name;
  int bands, rows;
  Shingle shingle;
  int length;     // words or characters of a shingle
  uint32_t seed;  // of the a and b

  int hashes() const { return bands * rows; }
};

// "datatrove": 14 bands of 8 over 5 words of the simplified text, with the bits of datatrove's
// signatures (English, xxhash, 64 bits); "curator": the 20 bands of 13 over 24 characters of NeMo
// Curator, with our hashes.
std::span<const MinHashPreset> minhash_presets();
const MinHashPreset* find_minhash_preset(std::string_view name);

// The chance that texts of similarity `s` share a band.
double candidate_chance(const MinHashPreset& preset, double s);

// What making signatures keeps between texts; one per thread.
class MinHasher {
 public:
  explicit MinHasher(const MinHashPreset& preset);

  // Hashes (xxh64) of the shingles of a text, repeated ones included; valid until the next call. A
  // text with fewer words than a shingle has none; one with fewer characters is a shingle itself,
  // unless it is empty.
  std::span<const uint64_t> shingles(std::string_view text);
  // Replaces the content of `signature`, which has preset.hashes() entries; there must be shingles.
  void sign(std::span<const uint64_t> shingles, std::vector<uint64_t>& signature) const;
  // The xxh3-128 of each band's rows, or all zeros if the text has no shingles.
  void band_keys(std::string_view text, std::span<Hash128> keys);

  std::span<const uint64_t> factors() const { return a_; }
  std::span<const uint64_t> summands() const { return b_; }

 private:
  void word_shingles(std::string_view text);
  void character_shingles(std::string_view text);

  const MinHashPreset& preset_;
  std::vector<uint64_t> a_, b_;
  WordSplitter splitter_;
  std::vector<Word> words_;
  std::string simple_, joined_;
  std::vector<size_t> starts_;
  std::vector<uint64_t> shingles_, signature_;
};

}  // namespace ballast
