#include "libcore/stats/robust.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/check.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kTheilSenPoints = 512;

double middle_of_sorted(std::span<const double> sorted) {
  const size_t n = sorted.size();
  return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double quantile_of_sorted(std::span<const double> sorted, double p) {
  const double position = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double fraction = position - static_cast<double>(below);
  return sorted[below] + fraction * (sorted[below + 1] - sorted[below]);
}

}  // namespace

double quantile(std::vector<double> values, double p) {
  if (values.empty()) return kNone;
  std::sort(values.begin(), values.end());
  return quantile_of_sorted(values, p);
}

double median(std::vector<double> values) {
  if (values.empty()) return kNone;
  std::sort(values.begin(), values.end());
  return middle_of_sorted(values);
}

RobustLevel robust_level(std::vector<double> values) {
  if (values.empty()) return {kNone, kNone};
  const double center = median(values);
  for (double& value : values) value = std::abs(value - center);
  return {center, kMadToSigma * median(std::move(values))};
}

double theil_sen_slope(std::span<const double> x, std::span<const double> y) {
  BALLAST_CHECK(x.size() == y.size());
  const size_t stride = (x.size() + kTheilSenPoints - 1) / kTheilSenPoints;
  std::vector<double> slopes;
  for (size_t i = 0; i < x.size(); i += stride)
    for (size_t j = i + stride; j < x.size(); j += stride)
      slopes.push_back((y[j] - y[i]) / (x[j] - x[i]));
  return median(std::move(slopes));
}

double autocorrelation(std::span<const double> values, int64_t lag) {
  const auto n = static_cast<int64_t>(values.size());
  if (lag < 0 || lag >= n) return kNone;
  double mean = 0;
  for (const double value : values) mean += value;
  mean /= static_cast<double>(n);
  double all = 0;
  double lagged = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double here = values[static_cast<size_t>(i)] - mean;
    all += here * here;
    if (i + lag < n) lagged += here * (values[static_cast<size_t>(i + lag)] - mean);
  }
  return all > 0 ? lagged / all : 0;
}

SortedWindow::SortedWindow(int64_t capacity) : capacity_(static_cast<size_t>(capacity)) {
  BALLAST_CHECK(capacity > 0);
  order_.resize(capacity_);
  sorted_.reserve(capacity_);
}

void SortedWindow::push(double value) {
  if (sorted_.size() == capacity_) {
    sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), order_[begin_]));
    begin_ = (begin_ + 1) % capacity_;
  }
  order_[(begin_ + sorted_.size()) % capacity_] = value;
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), value), value);
}

void SortedWindow::clear() {
  sorted_.clear();
  begin_ = 0;
}

double SortedWindow::median() const {
  BALLAST_CHECK(!sorted_.empty());
  return middle_of_sorted(sorted_);
}

double SortedWindow::quantile(double p) const {
  BALLAST_CHECK(!sorted_.empty());
  return quantile_of_sorted(sorted_, p);
}

std::vector<double> SortedWindow::values() const {
  std::vector<double> result;
  for (size_t i = 0; i < sorted_.size(); ++i) result.push_back(order_[(begin_ + i) % capacity_]);
  return result;
}

RobustLevel SortedWindow::level() const {
  const double center = median();
  // Distances grow away from the center on both sides: merge the two sides up to the middle.
  const auto n = static_cast<int64_t>(sorted_.size());
  int64_t right = std::lower_bound(sorted_.begin(), sorted_.end(), center) - sorted_.begin();
  int64_t left = right - 1;
  double previous = 0;
  double current = 0;
  for (int64_t taken = 0; taken <= n / 2; ++taken) {
    previous = current;
    const double to_left = left >= 0 ? center - sorted_[static_cast<size_t>(left)] : INFINITY;
    const double to_right = right < n ? sorted_[static_cast<size_t>(right)] - center : INFINITY;
    current = std::min(to_left, to_right);
    if (to_left < to_right) {
      --left;
    } else {
      ++right;
    }
  }
  return {center, kMadToSigma * (n % 2 == 1 ? current : (previous + current) / 2)};
}

}  // namespace ballast
