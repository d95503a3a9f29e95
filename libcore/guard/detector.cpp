#include "libcore/guard/detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libcore/stats/line_fit.h"

namespace ballast {
namespace {

// What the channel's window holds; nothing for a norm of 0, which has no logarithm.
bool usable(double value, bool logarithmic) {
  return std::isfinite(value) && (!logarithmic || value > 0);
}

// The last `persistent_steps` values, and no more than a line is fitted through at every step.
int64_t run_capacity(const DetectorSettings& settings) {
  constexpr int64_t kMostValues = 4096;
  return std::clamp<int64_t>(settings.persistent_steps, 1, kMostValues);
}

Json window_json(const RollingWindow& window) {
  Json values = Json::array();
  for (const double value : window.view()) values.push_back(json_number(value));
  return values;
}

Result<void> load_window(RollingWindow& window, const Json& values, const std::string& where) {
  if (!values.is_array() || static_cast<int64_t>(values.size()) > window.capacity())
    return corrupt_error("detector state is damaged", where);
  for (const Json& value : values) {
    const double number = BALLAST_TRY(number_of(value, where));
    if (!std::isfinite(number)) return corrupt_error("a value is not finite", where);
    window.push(number);
  }
  return {};
}

}  // namespace

Detector::Channel::Channel(const DetectorSettings& settings)
    : values(settings.window), run(run_capacity(settings)) {}

void Detector::Channel::close() {
  open = false;
  above_count = quiet_count = 0;
  run.clear();
}

void Detector::Channel::add(double value) {
  ++since_peak;
  if (run.size() == 0 || value > peak) {
    peak = value;
    since_peak = 0;
  }
  run.push(value);
}

Detector::Detector(const DetectorSettings& settings)
    : settings_(settings), loss_(settings), norm_(settings) {}

Verdict Detector::observe(double loss, double grad_norm) {
  Verdict verdict;
  verdict.loss = observe(loss_, loss, false, false);
  verdict.norm = observe(norm_, grad_norm, true, loss_.open);
  return verdict;
}

ChannelVerdict Detector::observe(Channel& channel, double value, bool logarithmic, bool waits) {
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
  follow_incident(channel, x, verdict, waits);
  const double limit = channel.open ? frozen_threshold(channel)
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

void Detector::follow_incident(Channel& channel, double x, ChannelVerdict& verdict,
                               bool waits) const {
  if (!channel.open) {
    if (!verdict.tested || !(verdict.z > settings_.sigmas)) return;
    verdict.onset = true;
    channel.close();
    channel.open = true;
    channel.frozen_baseline = verdict.baseline;
    channel.frozen_scale = verdict.scale;
  }
  verdict.frozen_baseline = channel.frozen_baseline;
  verdict.frozen_scale = channel.frozen_scale;
  verdict.above = verdict.onset || x > frozen_threshold(channel);
  if (!verdict.above) {
    channel.above_count = 0;
    channel.run.clear();
    if (++channel.quiet_count >= settings_.quiet_steps) channel.close();
    return;
  }
  channel.quiet_count = 0;
  if (waits || jumps_again(channel, x)) channel.run.clear();
  channel.add(x);
  verdict.above_steps = ++channel.above_count;
  if (verdict.above_steps < settings_.persistent_steps) return;
  const bool in_time = verdict.above_steps < settings_.persistent_limit;
  if (in_time && (channel.run.size() < channel.run.capacity() || comes_back(channel))) return;
  verdict.persistent = true;
  channel.close();
}

double Detector::frozen_threshold(const Channel& channel) const {
  return channel.frozen_baseline + settings_.sigmas * channel.frozen_scale;
}

// A second spike within the first: out of a fall, as far above its line as an onset is above the
// baseline. A loss that runs away has no fall before it.
bool Detector::jumps_again(const Channel& channel, double value) const {
  constexpr int64_t kNewest = 16;
  if (channel.run.size() < kNewest) return false;
  RollingWindow newest(kNewest);
  for (const double x : channel.run.view().last(kNewest)) newest.push(x);
  const Trend trend = newest.trend();
  const double deviation = std::max(std::sqrt(trend.variance), channel.frozen_scale);
  return trend.slope < 0 && value > trend.next + settings_.sigmas * deviation;
}

// Recoveries slow down, so the line through the newest values promises too much, never too little.
bool Detector::comes_back(const Channel& channel) const {
  const std::span<const double> run = channel.run.view();
  const int64_t size = channel.run.size();
  const std::span<const double> y =
      run.last(static_cast<size_t>(std::clamp(channel.since_peak, size / 2, size)));
  if (y.size() < 4) return false;
  std::vector<double> x(y.size());
  std::iota(x.begin(), x.end(), 0.0);
  const LineFit line = fit_line(x, y, x.back());
  const auto left = static_cast<double>(settings_.persistent_limit - channel.above_count);
  const double steepest = line.slope - line.critical * line.slope_error;
  return line.value + steepest * left <= frozen_threshold(channel);
}

void Detector::accept(double loss, double grad_norm) {
  if (usable(loss, false)) loss_.values.push(loss);
  if (usable(grad_norm, true)) norm_.values.push(std::log(grad_norm));
}

void Detector::on_event() {
  for (Channel* channel : {&loss_, &norm_}) {
    channel->values.clear();
    channel->close();
  }
}

Json Detector::channel_state(const Channel& channel) {
  return Json{{"open", channel.open},
              {"frozen_baseline", json_number(channel.frozen_baseline)},
              {"frozen_scale", json_number(channel.frozen_scale)},
              {"above_count", channel.above_count},
              {"quiet_count", channel.quiet_count},
              {"values", window_json(channel.values)},
              {"run", window_json(channel.run)},
              {"peak", json_number(channel.peak)},
              {"since_peak", channel.since_peak}};
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
  Channel loaded(settings_);
  loaded.frozen_baseline = BALLAST_TRY(number_member(*object, "frozen_baseline", where));
  loaded.frozen_scale = BALLAST_TRY(number_member(*object, "frozen_scale", where));
  loaded.above_count = BALLAST_TRY(integer_member(*object, "above_count", where));
  loaded.quiet_count = BALLAST_TRY(integer_member(*object, "quiet_count", where));
  if (!open->is_boolean()) return corrupt_error("detector state is damaged", where);
  loaded.open = open->get<bool>();
  BALLAST_TRY(load_window(loaded.values, *values, where));
  if (object->contains("run")) {
    BALLAST_TRY(load_window(loaded.run, object->at("run"), where));
    loaded.peak = BALLAST_TRY(number_member(*object, "peak", where));
    loaded.since_peak = BALLAST_TRY(integer_member(*object, "since_peak", where));
  }
  channel = std::move(loaded);
  return {};
}

Result<void> Detector::load(const Json& state) {
  Channel loss(settings_);
  Channel norm(settings_);
  BALLAST_TRY(load_channel(loss, state, "loss"));
  BALLAST_TRY(load_channel(norm, state, "norm"));
  loss_ = std::move(loss);
  norm_ = std::move(norm);
  return {};
}

}  // namespace ballast
