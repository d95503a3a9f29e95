#include "libcore/model/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ballast {

int32_t pick_token(std::span<const float> logits, const SamplingOptions& options, double uniform) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < logits.size(); ++i)
    if (std::isfinite(logits[i])) ids.push_back(static_cast<int32_t>(i));
  if (ids.empty()) return -1;
  const auto logit = [&](int32_t id) {
    return static_cast<double>(logits[static_cast<size_t>(id)]);
  };
  const auto likelier = [&](int32_t a, int32_t b) {
    return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
  };
  if (options.temperature <= 0) return *std::min_element(ids.begin(), ids.end(), likelier);

  size_t count = ids.size();
  if (options.top_k > 0) count = std::min(count, static_cast<size_t>(options.top_k));
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    likelier);
  std::vector<double> mass(count);
  double total = 0;
  for (size_t i = 0; i < count; ++i)
    total += mass[i] = std::exp((logit(ids[i]) - logit(ids[0])) / options.temperature);
  double kept = 0;
  size_t last = 0;
  while (last < count && (last == 0 || kept < options.top_p * total)) kept += mass[last++];
  double left = uniform * kept;
  for (size_t i = 0; i < last; ++i) {
    left -= mass[i];
    if (left < 0) return ids[i];
  }
  return ids[last - 1];
}

}  // namespace ballast
