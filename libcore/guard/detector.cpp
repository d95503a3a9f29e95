#include "libcore/guard/detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ballast {
namespace {

// What the channel's window holds; nothing for a norm of 0, which has no logarithm.
bool usable(double value, bool logarithmic) {
  return std::isfinite(value) && (!logarithmic || value > 0);
}

}  // namespace

Detector::Detector(const DetectorSettings& settings)
    : settings_(settings), loss_(settings.window), norm_(settings.window) {}

Verdict Detector::observe(double loss, double grad_norm) {
  return {observe(loss_, loss, false), observe(norm_, grad_norm, true)};
}

ChannelVerdict Detector::observe(Channel& channel, double value, bool logarithmic) {
  ChannelVerdict verdict;
  verdict.nonfinite = !std::isfinite(value);
  if (!usable(value, logarithmic)) return verdict;
  const double x = logarithmic ? std::log(value) : value;
  if (channel.values.size() >= settings_.minimum) {
    const auto [baseline, deviation] = level(channel.values, logarithmic);
    const double floor =
        logarithmic ? settings_.log_norm_floor : settings_.loss_floor * std::abs(baseline);
    verdict.tested = true;
    verdict.baseline = baseline;
    verdict.scale = std::max(deviation, floor);
    verdict.z = verdict.scale > 0 ? (x - baseline) / verdict.scale : 0;
  }
  follow_incident(channel, x, verdict);
  const double limit = channel.open
                           ? channel.frozen_baseline + settings_.sigmas * channel.frozen_scale
                           : verdict.baseline + settings_.sigmas * verdict.scale;
  if (verdict.tested || channel.open) verdict.threshold = logarithmic ? std::exp(limit) : limit;
  return verdict;
}

// A falling loss would hide a spike: the fall itself is spread that no noise has. Where the fitted
// line falls by more than `trend_fall` residual deviations within the window (noise alone does so
// once in 10^10 windows), the line and its residuals are the level. A curve that flattens leaves
// the line behind, so the mean of the newest values bounds the baseline from below.
std::pair<double, double> Detector::level(const RollingWindow& values, bool logarithmic) const {
  const Moments moments = values.moments();
  const std::pair<double, double> flat = {moments.mean, std::sqrt(moments.variance)};
  if (logarithmic) return flat;
  const Trend trend = values.trend();
  const double deviation = std::sqrt(trend.variance);
  const double fall = -trend.slope * static_cast<double>(values.size());
  if (!(fall > settings_.trend_fall * deviation)) return flat;
  return {std::max(trend.next, trend.recent), deviation};
}

void Detector::follow_incident(Channel& channel, double x, ChannelVerdict& verdict) const {
  if (!channel.open) {
    if (!verdict.tested || !(verdict.z > settings_.sigmas)) return;
    verdict.onset = verdict.above = true;
    channel.open = true;
    channel.frozen_baseline = verdict.baseline;
    channel.frozen_scale = verdict.scale;
    channel.above_count = 1;
    channel.quiet_count = 0;
    return;
  }
  verdict.above = x > channel.frozen_baseline + settings_.sigmas * channel.frozen_scale;
  if (!verdict.above) {
    channel.above_count = 0;
    if (++channel.quiet_count >= settings_.quiet_steps) channel.open = false;
    return;
  }
  channel.quiet_count = 0;
  if (++channel.above_count < settings_.persistent_steps) return;
  verdict.persistent = true;
  channel.open = false;
}

void Detector::accept(double loss, double grad_norm) {
  if (usable(loss, false)) loss_.values.push(loss);
  if (usable(grad_norm, true)) norm_.values.push(std::log(grad_norm));
}

void Detector::on_event() {
  for (Channel* channel : {&loss_, &norm_}) {
    channel->values.clear();
    channel->open = false;
    channel->above_count = channel->quiet_count = 0;
  }
}

Json Detector::channel_state(const Channel& channel) {
  Json values = Json::array();
  for (const double value : channel.values.values()) values.push_back(json_number(value));
  return Json{{"open", channel.open},
              {"frozen_baseline", json_number(channel.frozen_baseline)},
              {"frozen_scale", json_number(channel.frozen_scale)},
              {"above_count", channel.above_count},
              {"quiet_count", channel.quiet_count},
              {"values", std::move(values)}};
}

Json Detector::state() const {
  return Json{{"loss", channel_state(loss_)}, {"norm", channel_state(norm_)}};
}

Result<void> Detector::load_channel(Channel& channel, const Json& state,
                                    const std::string& name) const {
  const std::string where = "detector state of the " + name;
  const Json* object = BALLAST_TRY(member(state, name, "detector state"));
  const Json* open = BALLAST_TRY(member(*object, "open", where));
  const Json* values = BALLAST_TRY(member(*object, "values", where));
  Channel loaded(settings_.window);
  loaded.frozen_baseline = BALLAST_TRY(number_member(*object, "frozen_baseline", where));
  loaded.frozen_scale = BALLAST_TRY(number_member(*object, "frozen_scale", where));
  loaded.above_count = BALLAST_TRY(integer_member(*object, "above_count", where));
  loaded.quiet_count = BALLAST_TRY(integer_member(*object, "quiet_count", where));
  if (!open->is_boolean() || !values->is_array() ||
      static_cast<int64_t>(values->size()) > settings_.window)
    return corrupt_error("detector state is damaged", where);
  loaded.open = open->get<bool>();
  for (const Json& value : *values) {
    const double number = BALLAST_TRY(number_of(value, where));
    if (!std::isfinite(number)) return corrupt_error("a value is not finite", where);
    loaded.values.push(number);
  }
  channel = std::move(loaded);
  return {};
}

Result<void> Detector::load(const Json& state) {
  Channel loss(settings_.window);
  Channel norm(settings_.window);
  BALLAST_TRY(load_channel(loss, state, "loss"));
  BALLAST_TRY(load_channel(norm, state, "norm"));
  loss_ = std::move(loss);
  norm_ = std::move(norm);
  return {};
}

}  // namespace ballast
