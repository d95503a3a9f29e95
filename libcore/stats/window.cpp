#include "libcore/stats/window.h"

#include <algorithm>
#include <array>

#include "libcore/base/check.h"

namespace ballast {
namespace {

// The sum of f(i) over [0, n) in eight chains, so that an addition does not wait for the one
// before.
template <typename F>
double sum_of(size_t n, const F& f) {
  constexpr size_t kChains = 8;
  std::array<double, kChains> sums{};
  size_t i = 0;
  for (; i + kChains <= n; i += kChains)
    for (size_t k = 0; k < kChains; ++k) sums[k] += f(i + k);
  for (size_t k = 0; i < n; ++i, ++k) sums[k] += f(i);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

double mean_of(std::span<const double> y) {
  return sum_of(y.size(), [y](size_t i) { return y[i]; }) / static_cast<double>(y.size());
}

}  // namespace

RollingWindow::RollingWindow(int64_t capacity) {
  BALLAST_CHECK(capacity > 0);
  ring_.resize(static_cast<size_t>(2 * capacity));
}

void RollingWindow::push(double value) {
  const int64_t capacity = this->capacity();
  int64_t at = begin_ + size_;
  if (at >= capacity) at -= capacity;
  ring_[static_cast<size_t>(at)] = ring_[static_cast<size_t>(at + capacity)] = value;
  if (size_ < capacity) {
    ++size_;
  } else if (++begin_ == capacity) {
    begin_ = 0;
  }
}

Moments RollingWindow::moments() const {
  BALLAST_CHECK(size_ > 0);
  const std::span<const double> y = view();
  const double mean = mean_of(y);
  const double squares =
      sum_of(y.size(), [y, mean](size_t i) { return (y[i] - mean) * (y[i] - mean); });
  return {mean, squares / static_cast<double>(size_)};
}

Trend RollingWindow::trend() const {
  constexpr size_t kRecent = 16;
  const std::span<const double> y = view();
  const auto n = static_cast<double>(y.size());
  const double middle = (n - 1) / 2, mean = mean_of(y);
  const double products =
      sum_of(y.size(), [=](size_t i) { return (static_cast<double>(i) - middle) * (y[i] - mean); });
  Trend trend;
  trend.slope = products / (n * (n * n - 1) / 12);
  trend.next = mean + trend.slope * (n - middle);
  const double slope = trend.slope;
  trend.variance = sum_of(y.size(),
                          [=](size_t i) {
                            const double residual =
                                y[i] - mean - slope * (static_cast<double>(i) - middle);
                            return residual * residual;
                          }) /
                   n;
  trend.recent = mean_of(y.last(std::min(y.size(), kRecent)));
  return trend;
}

}  // namespace ballast
