#include "libcore/stats/change_points.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/check.h"
#include "libcore/stats/robust.h"
#include "libcore/stats/trend.h"

namespace ballast {
namespace {

constexpr double kSegmentParameters = 3;
constexpr double kCoarse = 12;
constexpr double kRounding = 1e-9;  // of the whole: what is no noise but the last digits

// Sums up to each point, of coordinates centred and scaled for the sake of the last digits.
class Costs {
 public:
  Costs(std::span<const double> x, std::span<const double> y) {
    const auto n = static_cast<double>(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      x0_ += x[i] / n;
      y0_ += y[i] / n;
    }
    scale_ = std::max(x.back() - x.front(), std::numeric_limits<double>::min());
    sums_.push_back({});
    for (size_t i = 0; i < x.size(); ++i) {
      const double u = (x[i] - x0_) / scale_, v = y[i] - y0_;
      const Sums& s = sums_.back();
      sums_.push_back({s.u + u, s.v + v, s.uu + u * u, s.uv + u * v, s.vv + v * v});
    }
  }
  // Sum of squared residuals of the line through points [begin, end).
  double of(size_t begin, size_t end) const {
    const Part p = part(begin, end);
    return std::max(0.0, p.uu > 0 ? p.vv - p.uv * p.uv / p.uu : p.vv);
  }
  LineSegment line(std::span<const double> x, size_t begin, size_t end) const {
    const Part p = part(begin, end);
    const double slope = p.uu > 0 ? p.uv / p.uu : 0;
    const auto at = [&](double position) {
      return y0_ + p.v + slope * ((position - x0_) / scale_ - p.u);
    };
    return {static_cast<int64_t>(begin), static_cast<int64_t>(end), at(x[begin]), at(x[end - 1]),
            slope / scale_};
  }

 private:
  struct Sums {
    double u = 0, v = 0, uu = 0, uv = 0, vv = 0;
  };
  struct Part {  // means, and sums of squares around them
    double u, v, uu, uv, vv;
  };
  Part part(size_t begin, size_t end) const {
    const Sums &a = sums_[begin], &b = sums_[end];
    const auto n = static_cast<double>(end - begin);
    const double u = (b.u - a.u) / n, v = (b.v - a.v) / n;
    return {u, v, b.uu - a.uu - n * u * u, b.uv - a.uv - n * u * v, b.vv - a.vv - n * v * v};
  }
  double x0_ = 0, y0_ = 0, scale_ = 1;
  std::vector<Sums> sums_;
};

std::vector<LineSegment> partition(std::span<const double> x, const Costs& costs, size_t least,
                                   double penalty) {
  const size_t n = x.size();
  std::vector<double> best(n + 1, std::numeric_limits<double>::infinity());
  std::vector<size_t> from(n + 1, 0);
  best[0] = 0;
  for (size_t end = least; end <= n; ++end) {
    for (size_t begin = 0; begin + least <= end; ++begin) {
      const double total = best[begin] + costs.of(begin, end) + penalty;
      if (total < best[end]) {
        best[end] = total;
        from[end] = begin;
      }
    }
  }
  std::vector<LineSegment> segments;
  for (size_t end = n; end > 0; end = from[end]) segments.push_back(costs.line(x, from[end], end));
  std::reverse(segments.begin(), segments.end());
  return segments;
}

// Variance of the noise: a second difference of independent values has six times that variance, and
// a trend does not show in it.
double noise_variance(std::span<const double> y) {
  std::vector<double> differences;
  for (size_t i = 2; i < y.size(); ++i)
    differences.push_back(std::abs(y[i] - 2 * y[i - 1] + y[i - 2]));
  const double sigma = kMadToSigma * median(std::move(differences)) / std::sqrt(6.0);
  return sigma * sigma;
}

std::vector<double> residuals_of(std::span<const double> x, std::span<const double> y,
                                 const std::vector<LineSegment>& segments) {
  std::vector<double> residuals;
  for (const LineSegment& s : segments)
    for (auto i = static_cast<size_t>(s.begin); i < static_cast<size_t>(s.end); ++i)
      residuals.push_back(y[i] - s.first - s.slope * (x[i] - x[static_cast<size_t>(s.begin)]));
  return residuals;
}

}  // namespace

std::vector<LineSegment> linear_segments(std::span<const double> x, std::span<const double> y,
                                         const SegmentOptions& options) {
  BALLAST_CHECK(x.size() == y.size() && options.least >= 2);
  if (x.size() < 2) return {};
  const Costs costs(x, y);
  const auto least = static_cast<size_t>(options.least);
  if (x.size() < 2 * least) return {costs.line(x, 0, x.size())};
  if (options.penalty > 0) return partition(x, costs, least, options.penalty);
  // The first pass takes the noise for strongly dependent (rho 0.6: second differences show a third
  // of its variance, and four times that of independent values is the price), so that it does not
  // cut the dependence away; its residuals then tell how dependent the noise is.
  const double parameters = kSegmentParameters * std::log(static_cast<double>(x.size()));
  const std::vector<LineSegment> coarse =
      partition(x, costs, least, parameters * kCoarse * noise_variance(y));
  const std::vector<double> residuals = residuals_of(x, y, coarse);
  const double sigma = robust_level(residuals).scale;
  const double price = parameters * serial_inflation(residuals) * sigma * sigma;
  return partition(x, costs, least, std::max(price, kRounding * costs.of(0, x.size())));
}

}  // namespace ballast
