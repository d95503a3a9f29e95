// How much of a text a model gives back: a greedy continuation compared with the truth, as the
// memorisation measures of Hans et al. (2406.10209) and the Apertus report do. Pure.
#pragma once

#include <cstdint>
#include <span>

namespace ballast {

struct Recall {
  bool exact = false;           // every token
  int64_t longest_run = 0;      // longest run of tokens that both have, wherever it stands
  int64_t matching_prefix = 0;  // tokens until the first difference
};
// O(|a| |b|) time, O(|b|) memory.
Recall recall_of(std::span<const int32_t> given, std::span<const int32_t> truth);

struct RecallSummary {
  int64_t texts = 0, exact = 0;
  int64_t longest_runs = 0, matching_prefixes = 0;  // sums
  void add(const Recall& recall);
  double exact_share() const { return ratio(exact); }
  double mean_longest_run() const { return ratio(longest_runs); }
  double mean_matching_prefix() const { return ratio(matching_prefixes); }

 private:
  double ratio(int64_t sum) const { return static_cast<double>(sum) / static_cast<double>(texts); }
};

}  // namespace ballast
