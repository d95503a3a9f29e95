#include "libcore/stats/calm_series.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "libcore/base/check.h"
#include "libcore/base/hash.h"
#include "libcore/base/rng.h"
#include "libcore/stats/curve.h"
#include "libcore/stats/thinning.h"

namespace ballast {
namespace {

const double kDistanceToSigma = std::sqrt(std::numbers::pi / 2);
constexpr int64_t kLagsInBlock = 10;
constexpr int64_t kLeastBlocks = 8;
constexpr uint64_t kMostDraws = uint64_t{1} << 40;  // of one repeat

// Index of draw `i` of a repeat within its stream.
uint64_t draw(int64_t repeat, size_t i) { return static_cast<uint64_t>(repeat) * kMostDraws + i; }

// The mean of the nearest whole window.
std::vector<double> running_mean(std::span<const double> values, int64_t window) {
  const size_t n = values.size();
  const size_t half = std::min(static_cast<size_t>(window) / 2, (n - 1) / 2);
  std::vector<double> sums = {0};
  for (const double value : values) sums.push_back(sums.back() + value);
  std::vector<double> means;
  for (size_t i = 0; i < n; ++i) {
    const size_t first = std::clamp(i, half, n - 1 - half) - half;
    means.push_back((sums[first + 2 * half + 1] - sums[first]) / static_cast<double>(2 * half + 1));
  }
  return means;
}

void add_stretch(std::span<const double> x, int64_t window, double floor, CalmModel& model) {
  const std::vector<double> level = running_median(x, window);
  std::vector<double> distance;
  for (size_t i = 0; i < x.size(); ++i) distance.push_back(std::abs(x[i] - level[i]));
  const std::vector<double> spread = running_mean(distance, window);
  for (size_t i = 0; i < x.size(); ++i) {
    const double scale = std::max(kDistanceToSigma * spread[i], floor);
    model.level.push_back(level[i]);
    model.scale.push_back(scale);
    model.residual.push_back((x[i] - level[i]) / scale);
  }
}

}  // namespace

CalmModel calm_model(std::span<const double> x, std::span<const int64_t> starts, int64_t window,
                     double floor) {
  BALLAST_CHECK(!x.empty() && !starts.empty() && starts.front() == 0);
  CalmModel model;
  for (size_t s = 0; s < starts.size(); ++s) {
    const auto begin = static_cast<size_t>(starts[s]);
    const size_t end = s + 1 < starts.size() ? static_cast<size_t>(starts[s + 1]) : x.size();
    if (end > begin) add_stretch(x.subspan(begin, end - begin), window, floor, model);
  }
  const Thinning thinning = thinned(model.residual);
  model.correlation = thinning.correlation;
  model.lag = thinning.every;
  return model;
}

int64_t shuffle_block(const CalmModel& model) {
  const auto most =
      std::max<int64_t>(1, static_cast<int64_t>(model.residual.size()) / kLeastBlocks);
  if (model.lag == 1) return 1;
  return model.lag == 0 ? most : std::min(kLagsInBlock * model.lag, most);
}

std::vector<double> shuffled(const CalmModel& model, int64_t block, uint64_t seed, int64_t repeat) {
  BALLAST_CHECK(block >= 1 && !model.residual.empty());
  const uint64_t stream = xxh3_64("shuffled residuals");
  const size_t n = model.residual.size(), length = static_cast<size_t>(block);
  std::vector<size_t> order((n + length - 1) / length);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[random_u64(seed, stream, draw(repeat, i)) % (i + 1)]);
  const size_t offset = random_u64(seed, stream, draw(repeat, 0)) % n;
  std::vector<double> x;
  x.reserve(n);
  for (const size_t b : order) {
    const size_t end = std::min((b + 1) * length, n);
    for (size_t i = b * length; i < end; ++i) {
      const size_t t = x.size();
      x.push_back(model.level[t] + model.scale[t] * model.residual[(offset + i) % n]);
    }
  }
  return x;
}

std::vector<double> simulated(const CalmModel& model, uint64_t seed, int64_t repeat) {
  const uint64_t stream = xxh3_64("simulated residuals");
  const double rho = model.correlation;
  const double fresh = std::sqrt(1 - rho * rho);
  std::vector<double> x;
  x.reserve(model.residual.size());
  double r = 0;
  for (size_t t = 0; t < model.residual.size(); ++t) {
    const double normal = random_normal(seed, stream, draw(repeat, t));
    r = t == 0 ? normal : rho * r + fresh * normal;
    x.push_back(model.level[t] + model.scale[t] * r);
  }
  return x;
}

}  // namespace ballast
