#include "libcore/data/recall.h"

#include <algorithm>
#include <vector>

namespace ballast {

Recall recall_of(std::span<const int32_t> given, std::span<const int32_t> truth) {
  Recall recall;
  recall.exact = std::equal(given.begin(), given.end(), truth.begin(), truth.end());
  const auto differ = std::mismatch(given.begin(), given.end(), truth.begin(), truth.end());
  recall.matching_prefix = differ.first - given.begin();
  // runs[j]: length of the common run that ends at the current given token and truth[j - 1].
  std::vector<int64_t> runs(truth.size() + 1, 0);
  for (const int32_t id : given) {
    for (size_t j = truth.size(); j > 0; --j) {
      runs[j] = truth[j - 1] == id ? runs[j - 1] + 1 : 0;
      recall.longest_run = std::max(recall.longest_run, runs[j]);
    }
  }
  return recall;
}

void RecallSummary::add(const Recall& recall) {
  texts += 1;
  exact += recall.exact ? 1 : 0;
  longest_runs += recall.longest_run;
  matching_prefixes += recall.matching_prefix;
}

}  // namespace ballast
