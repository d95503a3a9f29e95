#include "libcore/text/scores/linear_model.h"

#include <algorithm>
#include <cmath>

namespace ballast {

// Leaves in `found` the terms of the text in the order of the file, in `counts` how often each
// came.
void LinearModel::count_terms(LinearBuffers& buffers) const {
  if (buffers.counts.size() < weights_.size()) buffers.counts.resize(weights_.size());
  buffers.found.clear();
  const int64_t words = buffers.words.words();
  for (int64_t first = 0; first < words; ++first) {
    const int64_t most = std::min(max_words_, words - first);
    for (int64_t count = min_words_; count <= most; ++count) {
      const auto known = terms_.find(buffers.words.words_from(first, count));
      if (known == terms_.end()) continue;
      if (buffers.counts[known->second]++ == 0) buffers.found.push_back(known->second);
    }
  }
  std::sort(buffers.found.begin(), buffers.found.end());
}

double LinearModel::sum_terms(LinearBuffers& buffers) const {
  double sum = 0, length = 0;
  for (const uint32_t term : buffers.found) {
    double x = buffers.counts[term];
    buffers.counts[term] = 0;
    if (tf_ == Tf::log) x = 1 + std::log(x);
    if (tf_ == Tf::binary) x = 1;
    if (!idf_.empty()) x *= idf_[term];
    sum += weights_[term] * x;
    length += norm_ == Norm::l2 ? x * x : x;
  }
  if (norm_ == Norm::none || length == 0) return sum;
  return sum / (norm_ == Norm::l2 ? std::sqrt(length) : length);
}

double LinearModel::score(std::string_view text, LinearBuffers& buffers) const {
  find_words(text, lower_case_, buffers.words);
  count_terms(buffers);
  const double value = bias_ + sum_terms(buffers);
  return sigmoid_ ? 1 / (1 + std::exp(-value)) : value;
}

}  // namespace ballast
