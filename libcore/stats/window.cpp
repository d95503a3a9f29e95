#include "libcore/stats/window.h"

#include "libcore/base/check.h"

namespace ballast {

RollingWindow::RollingWindow(int64_t capacity) {
  BALLAST_CHECK(capacity > 0);
  ring_.resize(static_cast<size_t>(capacity));
}

void RollingWindow::push(double value) {
  const int64_t capacity = this->capacity();
  int64_t at = begin_ + size_;
  if (at >= capacity) at -= capacity;
  ring_[static_cast<size_t>(at)] = value;
  if (size_ < capacity) {
    ++size_;
  } else if (++begin_ == capacity) {
    begin_ = 0;
  }
}

Moments RollingWindow::moments() const {
  BALLAST_CHECK(size_ > 0);
  const int64_t end = begin_ + size_;
  const int64_t first_end = end < capacity() ? end : capacity();
  const auto count = static_cast<double>(size_);
  const double* ring = ring_.data();
  double sum = 0;
  for (int64_t i = begin_; i < first_end; ++i) sum += ring[i];
  for (int64_t i = 0; i < end - first_end; ++i) sum += ring[i];
  const double mean = sum / count;
  double squares = 0;
  for (int64_t i = begin_; i < first_end; ++i) squares += (ring[i] - mean) * (ring[i] - mean);
  for (int64_t i = 0; i < end - first_end; ++i) squares += (ring[i] - mean) * (ring[i] - mean);
  return {mean, squares / count};
}

Trend RollingWindow::trend() const {
  constexpr size_t kRecent = 16;
  const std::vector<double> y = values();
  const auto n = static_cast<double>(y.size());
  const double middle = (n - 1) / 2, mean = moments().mean;
  double products = 0, recent = 0;
  for (size_t i = 0; i < y.size(); ++i)
    products += (static_cast<double>(i) - middle) * (y[i] - mean);
  Trend trend;
  trend.slope = products / (n * (n * n - 1) / 12);
  trend.next = mean + trend.slope * (n - middle);
  for (size_t i = 0; i < y.size(); ++i) {
    const double residual = y[i] - mean - trend.slope * (static_cast<double>(i) - middle);
    trend.variance += residual * residual / n;
  }
  const size_t first = y.size() > kRecent ? y.size() - kRecent : 0;
  for (size_t i = first; i < y.size(); ++i) recent += y[i];
  trend.recent = recent / static_cast<double>(y.size() - first);
  return trend;
}

std::vector<double> RollingWindow::values() const {
  std::vector<double> result;
  result.reserve(static_cast<size_t>(size_));
  for (int64_t i = 0; i < size_; ++i)
    result.push_back(ring_[static_cast<size_t>((begin_ + i) % capacity())]);
  return result;
}

}  // namespace ballast
