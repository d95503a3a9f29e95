#include "libcore/stats/thinning.h"

#include "libcore/stats/robust.h"

namespace ballast {
namespace {

constexpr int64_t kLeastLeft = 8;

int64_t smallest_lag(std::span<const double> values, double limit) {
  for (int64_t lag = 1; lag <= static_cast<int64_t>(values.size()) / kLeastLeft; ++lag)
    if (autocorrelation(values, lag) < limit) return lag;
  return 0;
}

}  // namespace

Thinning thinned(std::span<const double> values, int64_t every, double limit) {
  Thinning result;
  result.correlation = autocorrelation(values, 1);
  result.every = every > 0 ? every : smallest_lag(values, limit);
  if (result.every > 0)
    for (size_t i = 0; i < values.size(); i += static_cast<size_t>(result.every))
      result.values.push_back(values[i]);
  result.left = autocorrelation(result.values, 1);
  return result;
}

}  // namespace ballast
