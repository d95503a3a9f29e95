#include "libcore/stats/change_points.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

double squares_of_line(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size());
  double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    mx += x[i] / n;
    my += y[i] / n;
  }
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    xy += (x[i] - mx) * (y[i] - my);
    yy += (y[i] - my) * (y[i] - my);
  }
  return yy - xy * xy / xx;
}

// Every way to cut n points into segments of at least two.
double cheapest(std::span<const double> x, std::span<const double> y, double penalty) {
  if (x.empty()) return 0;
  double best = std::numeric_limits<double>::infinity();
  for (size_t end = 2; end <= x.size(); ++end) {
    if (x.size() - end == 1) continue;
    best = std::min(best, squares_of_line(x.first(end), y.first(end)) + penalty +
                              cheapest(x.subspan(end), y.subspan(end), penalty));
  }
  return best;
}

TEST(LinearSegments, AreTheCheapestOfAllPartitions) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::vector<double> x, y;
    double position = 0;
    for (uint64_t i = 0; i < 13; ++i) {
      position += 0.5 + random_uniform(seed, 1, i);
      x.push_back(position);
      y.push_back(3 * random_normal(seed, 2, i / 5) + random_normal(seed, 3, i));
    }
    for (const double penalty : {0.3, 1.0, 4.0}) {
      const auto segments = linear_segments(x, y, {2, penalty});
      double total = 0;
      int64_t next = 0;
      for (const LineSegment& s : segments) {
        EXPECT_EQ(s.begin, next);
        EXPECT_GE(s.end - s.begin, 2);
        const auto begin = static_cast<size_t>(s.begin), count = static_cast<size_t>(s.end) - begin;
        total += penalty + squares_of_line(std::span(x).subspan(begin, count),
                                           std::span(y).subspan(begin, count));
        next = s.end;
      }
      EXPECT_EQ(next, 13);
      EXPECT_NEAR(total, cheapest(x, y, penalty), 1e-9);
    }
  }
}

TEST(LinearSegments, FindAJumpAndABendWithoutBeingToldTheNoise) {
  std::vector<double> x, y;
  for (uint64_t i = 0; i < 300; ++i) {
    const auto t = static_cast<double>(i);
    x.push_back(t);
    y.push_back((t < 100   ? 2 - 0.01 * t
                 : t < 200 ? 4 - 0.01 * t
                           : 2 + 0.02 * (t - 200)) +
                0.05 * random_normal(9, 1, i));
  }
  const auto segments = linear_segments(x, y);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_NEAR(static_cast<double>(segments[1].begin), 100, 1);
  EXPECT_NEAR(static_cast<double>(segments[2].begin), 200, 5);
  EXPECT_NEAR(segments[0].slope, -0.01, 1e-3);
  EXPECT_NEAR(segments[2].slope, 0.02, 1e-3);
  EXPECT_NEAR(segments[2].last, 2 + 0.02 * 99, 0.05);
}

TEST(LinearSegments, SeeNoBorderInNoise) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    std::vector<double> x, white, dependent;
    double last = 0;
    for (uint64_t i = 0; i < 300; ++i) {
      x.push_back(static_cast<double>(i));
      white.push_back(random_normal(seed, 1, i));
      last = 0.4 * last + random_normal(seed, 2, i);
      dependent.push_back(last);
    }
    found += linear_segments(x, white).size() > 1;
    found += linear_segments(x, dependent).size() > 1;
  }
  EXPECT_LE(found, 10);  // of 100
}

TEST(LinearSegments, FewPointsAreOneSegmentOrNone) {
  const std::vector<double> x = {1, 2, 3}, y = {5, 4, 3};
  const auto segments = linear_segments(x, y);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_NEAR(segments[0].slope, -1, 1e-12);
  EXPECT_TRUE(linear_segments(std::span(x).first(1), std::span(y).first(1)).empty());
}

}  // namespace
}  // namespace ballast
