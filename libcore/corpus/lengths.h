// How long documents are: the ends, the mean, and how many lie between powers of two. Plain counts,
// so the order of add() does not matter and parts add up. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace ballast {

struct LengthHistogram {
  int64_t documents = 0, tokens = 0;
  int64_t shortest = 0, longest = 0;  // 0 without documents
  // Bucket k holds documents of [2^(k-1), 2^k) tokens; bucket 0 the empty ones.
  std::array<int64_t, 64> buckets{};

  void add(int64_t length) {
    shortest = documents == 0 ? length : std::min(shortest, length);
    longest = std::max(longest, length);
    ++documents;
    tokens += length;
    ++buckets[static_cast<size_t>(std::bit_width(static_cast<uint64_t>(length)))];
  }
  void add(const LengthHistogram& other) {
    if (other.documents == 0) return;
    shortest = documents == 0 ? other.shortest : std::min(shortest, other.shortest);
    longest = std::max(longest, other.longest);
    documents += other.documents;
    tokens += other.tokens;
    for (size_t k = 0; k < buckets.size(); ++k) buckets[k] += other.buckets[k];
  }
  double mean() const {
    return documents > 0 ? static_cast<double>(tokens) / static_cast<double>(documents) : 0;
  }
};

}  // namespace ballast
