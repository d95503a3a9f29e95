#include "libcore/optim/lr_extend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace ballast {
namespace {

constexpr int64_t kMostCurvePoints = 8192;
constexpr double kLowest[] = {0.2, 0.1};  // of the grids; both end at 1

// Points of a curve over [from, to]: one per step, or where these are too many, dense at both ends,
// where cooldown shapes may be steep.
std::vector<int64_t> curve_tokens(const std::vector<int64_t>& borders, int64_t from, int64_t to) {
  std::vector<int64_t> tokens{from};
  const auto first = std::ranges::upper_bound(borders, from);
  const auto last = std::ranges::lower_bound(borders, to);
  if (last - first < kMostCurvePoints) {
    tokens.insert(tokens.end(), first, last);
  } else {
    for (int64_t i = 1; i < kMostCurvePoints; ++i) {
      const double q =
          (1 - std::cos(std::numbers::pi * static_cast<double>(i) / kMostCurvePoints)) / 2;
      const int64_t x = from + std::llround(q * static_cast<double>(to - from));
      if (x > tokens.back() && x < to) tokens.push_back(x);
    }
  }
  tokens.push_back(to);
  return tokens;
}

// The old run's warm-up as points: two where the batch is constant, which is exact.
void add_warmup(const ExtensionRequest& r, std::vector<SchedulePoint>& points) {
  const Schedule& old = r.old;
  const auto value_at = [&](size_t step) {
    return old.multiplier(r.borders[step], r.borders[step + 1] - r.borders[step]);
  };
  points.push_back({0, value_at(0)});
  const int64_t batch = r.borders[1];
  bool constant = true;
  size_t steps = 0;  // that begin within the warm-up
  for (; steps + 1 < r.borders.size() && r.borders[steps] < old.warmup_tokens; ++steps)
    constant = constant && r.borders[steps + 1] - r.borders[steps] == batch;
  if (constant && old.warmup_tokens > batch) {
    points.push_back({old.warmup_tokens - batch, 1});
    return;
  }
  const size_t stride = steps / kMostCurvePoints + 1;
  for (size_t i = stride; i < steps; i += stride) points.push_back({r.borders[i], value_at(i)});
  if (steps > 0 && points.back().value != 1) points.push_back({r.borders[steps], 1});
}

void add_cooldown(const ExtensionRequest& r, int64_t length, double base,
                  std::vector<SchedulePoint>& points) {
  const int64_t end = r.new_borders.back();
  const int64_t start = end - length;
  const double f = r.old.final_fraction;
  const bool straight = r.old.shape == CooldownShape::linear;
  for (const int64_t x :
       straight ? std::vector<int64_t>{start, end} : curve_tokens(r.new_borders, start, end)) {
    const double q = static_cast<double>(x - start) / static_cast<double>(length);
    points.push_back({x, std::max(0.0, base * (f + (1 - f) * cooldown_value(r.old.shape, q)))});
  }
}

Result<void> check_request(const ExtensionRequest& r) {
  if (r.old.kind != ScheduleKind::wsd || r.old.cooldown_tokens == 0)
    return usage_error("only a wsd schedule with a cooldown can be extended", "--schedule",
                       r.old.spec());
  if (r.new_borders.back() <= r.borders.back())
    return usage_error(fmt::format("the new length of {} tokens is not longer than the old one",
                                   r.new_borders.back()),
                       "", fmt::format("more than {}", r.borders.back()));
  return {};
}

// Falling in rho, rising in c: a root lies between neighbours of different sign (Illinois variant
// of regula falsi, which needs about ten evaluations of O(T)).
template <class F>
Result<double> root_between(double a, double fa, double b, double fb, const F& f) {
  constexpr int kMostRounds = 60;
  constexpr double kClose = 1e-12;
  for (int round = 0; round < kMostRounds && std::abs(b - a) > kClose; ++round) {
    const double c = b - fb * (b - a) / (fb - fa);
    const double fc = BALLAST_TRY(f(c));
    if (fc == 0) return c;
    if ((fc > 0) != (fb > 0)) {
      a = b;
      fa = fb;
    } else {
      fa /= 2;
    }
    b = c;
    fb = fc;
  }
  return b;
}

struct Searched {
  bool found = false;
  double value = std::numeric_limits<double>::quiet_NaN();
  double nearest = std::numeric_limits<double>::quiet_NaN();  // of the grid, where found
};

// The grid brackets the root, and gives the paper's own answer.
template <class F>
Result<Searched> search(ExtensionWay way, const F& difference_at) {
  Searched result;
  double nearest = 0, least = std::numeric_limits<double>::infinity();
  double before = 0, before_difference = 0;
  for (int i = 0; i < kExtensionGrid; ++i) {
    const double value = extension_grid_value(way, i);
    const double difference = BALLAST_TRY(difference_at(value));
    if (i > 0 && !result.found && (difference > 0) != (before_difference > 0)) {
      result.value =
          BALLAST_TRY(root_between(before, before_difference, value, difference, difference_at));
      result.found = true;
    }
    if (std::abs(difference) < least) {
      least = std::abs(difference);
      nearest = value;
    }
    before = value;
    before_difference = difference;
  }
  if (result.found) result.nearest = nearest;
  return result;
}

}  // namespace

std::vector<double> step_multipliers(const Schedule& schedule,
                                     const std::vector<int64_t>& borders) {
  std::vector<double> values;
  values.reserve(borders.size());
  for (size_t i = 0; i + 1 < borders.size(); ++i)
    values.push_back(schedule.multiplier(borders[i], borders[i + 1] - borders[i]));
  return values;
}

double extension_grid_value(ExtensionWay way, int index) {
  const double low = kLowest[static_cast<int>(way)];
  return low + (1 - low) * index / (kExtensionGrid - 1);
}

Result<Schedule> extended_schedule(const ExtensionRequest& r, ExtensionWay way, double value) {
  BALLAST_TRY(check_request(r));
  Schedule schedule;
  schedule.kind = ScheduleKind::file;
  schedule.peak_lr = r.old.peak_lr;
  schedule.total_tokens = r.new_borders.back();
  add_warmup(r, schedule.points);
  const auto part = [&](double share) -> int64_t {
    return std::llround(share * static_cast<double>(schedule.total_tokens));
  };
  if (way == ExtensionWay::cooldown) {
    const int64_t length =
        std::min(part(value), schedule.total_tokens - schedule.points.back().tokens);
    add_cooldown(r, std::max<int64_t>(length, 1), 1, schedule.points);
    return schedule;
  }
  const int64_t hold = r.old.total_tokens - r.old.cooldown_tokens;
  const int64_t length =
      part(static_cast<double>(r.old.cooldown_tokens) / static_cast<double>(r.old.total_tokens));
  if (hold + r.transition_tokens > schedule.total_tokens - length)
    return usage_error(
        "the transition does not end before the cooldown begins", "--transition",
        fmt::format("accepted: up to {} tokens", schedule.total_tokens - length - hold));
  schedule.points.push_back({hold, 1});
  schedule.points.push_back({hold + r.transition_tokens, value});
  add_cooldown(r, length, value, schedule.points);
  return schedule;
}

Result<Extension> extend_schedule(const ExtensionRequest& r, ExtensionWay way) {
  const LrBound old = BALLAST_TRY(lr_bound(step_multipliers(r.old, r.borders)));
  const auto bound_at = [&](double value) -> Result<LrBound> {
    const Schedule schedule = BALLAST_TRY(extended_schedule(r, way, value));
    return lr_bound(step_multipliers(schedule, r.new_borders));
  };
  const auto difference_at = [&](double value) -> Result<double> {
    return BALLAST_TRY(bound_at(value)).best_gamma() - old.best_gamma();
  };
  const Searched searched = BALLAST_TRY(search(way, difference_at));
  Extension extension;
  extension.way = way;
  extension.found = searched.found;
  extension.value = searched.value;
  extension.grid_value = searched.nearest;
  if (!extension.found) return extension;
  extension.schedule = BALLAST_TRY(extended_schedule(r, way, extension.value));
  extension.bound = BALLAST_TRY(bound_at(extension.value));
  const int64_t old_start = r.old.total_tokens - r.old.cooldown_tokens;
  const int64_t end = r.new_borders.back();
  const int64_t new_start = way == ExtensionWay::two_stage
                                ? old_start
                                : end - std::llround(extension.value * static_cast<double>(end));
  extension.branch_from = std::min(old_start, new_start);
  return extension;
}

}  // namespace ballast
