#include "libcore/stats/spike_scores.h"

#include <cmath>

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kLeastDeviation = 1e-10;

double percent_of(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : kNone;
}

}  // namespace

WindowScore::WindowScore(Rule rule) : rule_(rule), values_(rule.window) {}

double WindowScore::observe(double value) {
  if (!std::isfinite(value)) return kNone;
  const bool full = values_.size() == rule_.window;
  if (rule_.inclusive) values_.push(value);
  double z = kNone;
  if (full) {
    const Moments moments = values_.moments();
    const auto n = static_cast<double>(rule_.window);
    const double variance = rule_.sample ? moments.variance * n / (n - 1) : moments.variance;
    const double deviation = std::sqrt(variance);
    z = deviation < kLeastDeviation ? 0 : (value - moments.mean) / deviation;
  }
  if (!rule_.inclusive) values_.push(value);
  return z;
}

double SpikeCount::percent() const { return percent_of(hits, tested); }

void SpikeCount::add(bool hit) {
  ++tested;
  if (hit) ++hits;
}

bool OlmoSpikeScore::observe(double value) {
  if (!std::isfinite(value)) {
    ++count_.nonfinite;
    return false;
  }
  const double z = score_.observe(value);
  if (std::isnan(z)) return false;
  const bool spike = std::abs(z) >= kSigmas;
  count_.add(spike);
  return spike;
}

bool OlmoCoreMonitor::observe(double loss, double grad_norm) {
  if (!std::isfinite(loss)) ++count_.nonfinite;
  const double loss_z = loss_.observe(loss);
  const double norm_z = norm_.observe(grad_norm);
  if (std::isnan(loss_z) && std::isnan(norm_z)) return false;
  const bool spike = loss_z > kSigmas || norm_z > kSigmas;
  count_.add(spike);
  recent_.push_back(spike);
  if (spike) ++recent_hits_;
  if (static_cast<int64_t>(recent_.size()) > kRecentSteps) {
    if (recent_.front()) --recent_hits_;
    recent_.pop_front();
  }
  return spike;
}

double OlmoCoreMonitor::recent_percent() const {
  return percent_of(recent_hits_, static_cast<int64_t>(recent_.size()));
}

bool LlmcScore::observe(double value) {
  if (!std::isfinite(value)) {
    ++count_.nonfinite;
    return false;
  }
  const double z = score_.observe(value);
  if (std::isnan(z)) return false;
  largest_ = std::fmax(largest_, z);
  count_.add(z > limit_);
  return z > limit_;
}

bool LossJumpRule::observe(int64_t step, double loss) {
  if (!std::isfinite(loss)) return false;
  while (!lowest_.empty() && lowest_.front().first <= step - kSpan) lowest_.pop_front();
  const double ratio =
      lowest_.empty() || !(lowest_.front().second > 0) ? kNone : loss / lowest_.front().second;
  while (!lowest_.empty() && lowest_.back().second >= loss) lowest_.pop_back();
  lowest_.emplace_back(step, loss);
  largest_ = std::fmax(largest_, ratio);
  if (!(ratio >= kRatio)) return false;
  ++steps_;
  if (step - last_ >= kSpan) ++jumps_;
  last_ = step;
  return true;
}

void SpikeScores::observe(int64_t step, double loss, double grad_norm) {
  ++steps;
  olmo_loss.observe(loss);
  olmo_norm.observe(grad_norm);
  olmo_core.observe(loss, grad_norm);
  llmc_loss.observe(loss);
  llmc_norm.observe(grad_norm);
  jump.observe(step, loss);
}

}  // namespace ballast
