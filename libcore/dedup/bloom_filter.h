// A Bloom filter (Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970) over
// 128-bit hashes: whether something may have been seen before, in memory that depends on the
// planned capacity alone. After `capacity` distinct insertions something new is taken for seen with
// chance `rate`; what was inserted is always seen. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/base/result.h"

namespace ballast {

// bits = -capacity ln(rate) / ln(2)^2, probes = bits / capacity ln(2), rounded; bits to whole
// words.
struct BloomPlan {
  int64_t capacity = 0;
  double rate = 0;
  int64_t bits = 0;
  int probes = 0;
};
// Kind usage unless 1 <= capacity <= 2^40 and 1e-18 <= rate <= 0.5.
Result<BloomPlan> plan_bloom(int64_t capacity, double rate);

class BloomFilter {
 public:
  explicit BloomFilter(const BloomPlan& plan)
      : plan_(plan), words_(static_cast<size_t>(plan.bits / 64)) {}

  // True if the hash is certainly new.
  bool insert(const Hash128& hash);

  const BloomPlan& plan() const { return plan_; }
  int64_t bytes() const { return plan_.bits / 8; }
  int64_t size() const { return fresh_; }  // insertions that were new
  // The chance that something new is taken for seen now: (share of bits set) ^ probes.
  double rate_now() const;

 private:
  BloomPlan plan_;
  std::vector<uint64_t> words_;
  int64_t set_ = 0, fresh_ = 0;
};

}  // namespace ballast
