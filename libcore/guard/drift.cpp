#include "libcore/guard/drift.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "libcore/base/check.h"
#include "libcore/stats/normal.h"
#include "libcore/stats/robust.h"
#include "libcore/stats/trend.h"

namespace ballast {
namespace {

constexpr double kStepChance = 1e-2;
constexpr double kMostChance = 0.05;  // of one test, however rarely it comes

// z of the rise that is left on the two sides of the best single step.
double z_without_step(std::span<const double> levels, double inflation) {
  const auto at = static_cast<size_t>(best_step(levels).at);
  const KendallTrend left = kendall_trend(levels.first(at));
  const KendallTrend right = kendall_trend(levels.subspan(at));
  return KendallTrend{left.score + right.score, left.variance + right.variance}.z(inflation);
}

std::vector<double> without_trend(std::span<const double> positions,
                                  std::span<const double> levels) {
  const double slope = theil_sen_slope(positions, levels);
  std::vector<double> residuals;
  for (size_t i = 0; i < levels.size(); ++i) residuals.push_back(levels[i] - slope * positions[i]);
  return residuals;
}

}  // namespace

DriftMonitor::DriftMonitor(const DriftSettings& settings) : settings_(settings), scales_(kScales) {
  BALLAST_CHECK(settings.every > 0);
  values_.reserve(static_cast<size_t>(kBlockValues));
  for (Scale& scale : scales_) {
    scale.blocks.reserve(kBlocks + 1);
    scale.waiting.reserve(1);
  }
}

void DriftMonitor::on_event() {
  for (Scale& scale : scales_) {
    scale.blocks.clear();
    scale.waiting.clear();
  }
  values_.clear();
  drifting_ = false;
}

DriftVerdict DriftMonitor::observe(int64_t step, int64_t tokens, double loss) {
  DriftVerdict verdict;
  if (std::isfinite(loss)) {
    go_back(step);
    if (values_.empty()) open_.first_step = step;
    open_.last_step = step;
    open_.last_tokens = tokens;
    values_.push_back(loss);
    if (values_.size() == static_cast<size_t>(kBlockValues)) {
      open_.level = median(values_);
      values_.clear();
      push(0, open_, verdict);
    }
  }
  verdict.tested = tested_;
  verdict.drifting = drifting_;
  return verdict;
}

void DriftMonitor::go_back(int64_t step) {
  if (!values_.empty() && open_.last_step >= step) values_.clear();
  for (Scale& scale : scales_) {
    const auto later = [&](const Block& block) { return block.last_step >= step; };
    while (!scale.blocks.empty() && later(scale.blocks.back())) scale.blocks.pop_back();
    if (!scale.waiting.empty() && later(scale.waiting.back())) scale.waiting.clear();
  }
}

void DriftMonitor::push(size_t scale, const Block& block, DriftVerdict& verdict) {
  Scale& here = scales_[scale];
  here.blocks.push_back(block);
  if (here.blocks.size() > kBlocks) here.blocks.erase(here.blocks.begin());
  if (here.blocks.size() == kBlocks) test(scale, verdict);
  if (scale + 1 == kScales) return;
  if (here.waiting.empty()) {
    here.waiting.push_back(block);
    return;
  }
  Block pair = block;
  pair.first_step = here.waiting.back().first_step;
  pair.level = (here.waiting.back().level + block.level) / 2;
  here.waiting.clear();
  push(scale + 1, pair, verdict);
}

void DriftMonitor::test(size_t scale, DriftVerdict& verdict) {
  const std::vector<Block>& blocks = scales_[scale].blocks;
  std::vector<double> positions, levels;
  for (const Block& block : blocks) {
    positions.push_back(static_cast<double>(positions.size()));
    levels.push_back(block.level);
  }
  const KendallTrend trend = kendall_trend(levels);
  if (drifting_ && scale == alarm_scale_ && trend.score < 0) drifting_ = false;
  tested_ = true;
  const double span = std::ldexp(static_cast<double>(kBlockValues), static_cast<int>(scale));
  const double chance =
      std::min(kMostChance, span / (settings_.every * static_cast<double>(kScales)));
  const double limit = -normal_quantile(chance);
  if (drifting_ || trend.z() <= limit) return;
  const double inflation = serial_inflation(without_trend(positions, levels));
  if (trend.z(inflation) <= limit) return;
  if (z_without_step(levels, inflation) <= -normal_quantile(kStepChance)) return;
  const HingeFit hinge = best_hinge(positions, levels);
  const double rise = hinge.after * (positions.back() - positions[static_cast<size_t>(hinge.knot)]);
  if (!(rise > settings_.least_rise)) return;
  const Block& began = blocks[static_cast<size_t>(hinge.knot)];
  drifting_ = true;
  alarm_scale_ = scale;
  verdict.drift = true;
  verdict.z = trend.z(inflation);
  verdict.limit = limit;
  verdict.rise = rise;
  verdict.began_step = began.last_step;
  verdict.began_tokens = began.last_tokens;
  verdict.window = static_cast<int64_t>(span) * static_cast<int64_t>(kBlocks);
}

}  // namespace ballast
