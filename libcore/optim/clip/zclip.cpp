#include "libcore/optim/clip/zclip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr double kEps = 1e-6;         // added to s
constexpr double kNormEps = 1e-6;     // added to the norm in the factor
constexpr double kScaleFloor = 1e-3;  // of the mean, compat=safe
constexpr int64_t kMaxBuffer = 100000;

std::string_view mode_name(ZClipMode mode) {
  switch (mode) {
    case ZClipMode::mean:
      return "mean";
    case ZClipMode::max:
      return "max";
    case ZClipMode::reciprocal:
      break;
  }
  return "reciprocal";
}

}  // namespace

ClipDecision ZClip::decide(double grad_norm) {
  const bool finite = std::isfinite(grad_norm);
  if (!finite && !settings_.reference) {
    ClipDecision decision;
    decision.valid = false;
    return decision;
  }
  ClipDecision decision = warmup_left_ > 0 ? collect(grad_norm) : test(grad_norm);
  decision.valid = finite;
  if (!decision.warming) learn(decision.spike ? decision.target : grad_norm);
  apply_cap(grad_norm, decision);
  return decision;
}

ClipDecision ZClip::collect(double grad_norm) {
  buffer_.push_back(grad_norm);
  if (--warmup_left_ == 0) {
    const auto count = static_cast<double>(buffer_.size());
    double sum = 0;
    for (const double value : buffer_) sum += value;
    mean_ = sum / count;
    double squares = 0;
    for (const double value : buffer_) squares += (value - mean_) * (value - mean_);
    variance_ = squares / count;
    initialized_ = true;
    buffer_.clear();
  }
  ClipDecision decision;
  decision.warming = true;
  return decision;
}

double ZClip::scale() const {
  const double s = std::sqrt(variance_);
  return settings_.reference ? s : std::max({s, kEps, kScaleFloor * mean_});
}

ClipDecision ZClip::test(double grad_norm) const {
  const double s = scale();
  const bool without_eps = settings_.reference && settings_.mode == ZClipMode::max;
  ClipDecision decision;
  decision.z = (grad_norm - mean_) / (s + kEps);
  decision.threshold = mean_ + settings_.z * (without_eps ? s : s + kEps);
  decision.spike = without_eps ? grad_norm > decision.threshold : decision.z > settings_.z;
  if (!decision.spike) return decision;
  switch (settings_.mode) {
    case ZClipMode::reciprocal:
      decision.target = mean_ + settings_.z * s / (decision.z / settings_.z);
      break;
    case ZClipMode::mean:
      decision.target = mean_;
      break;
    case ZClipMode::max:
      decision.target = mean_ + settings_.z * s;
      break;
  }
  return decision;
}

void ZClip::learn(double value) {
  mean_ = settings_.alpha * mean_ + (1 - settings_.alpha) * value;
  const double difference = value - mean_;
  variance_ = settings_.alpha * variance_ + (1 - settings_.alpha) * (difference * difference);
}

void ZClip::apply_cap(double grad_norm, ClipDecision& decision) const {
  double allowed = decision.spike ? decision.target : grad_norm;
  if (settings_.cap) {
    allowed = std::min(allowed, *settings_.cap);
    decision.threshold = std::fmin(decision.threshold, *settings_.cap);  // NaN while warming
  }
  if (grad_norm > allowed) decision.factor = allowed / (grad_norm + kNormEps);
  decision.clipped = decision.factor < 1;
  if (decision.clipped) decision.target = allowed;
}

void ZClip::on_event() {
  if (settings_.reference || settings_.rewarm == 0) return;
  buffer_.clear();
  warmup_left_ = initialized_ ? settings_.rewarm : settings_.warmup;
}

Json ZClip::state() const {
  Json buffer = Json::array();
  for (const double value : buffer_) buffer.push_back(json_number(value));
  return Json{{"kind", "zclip"},
              {"initialized", initialized_},
              {"mean", json_number(mean_)},
              {"variance", json_number(variance_)},
              {"warmup_left", warmup_left_},
              {"buffer", std::move(buffer)}};
}

Result<void> ZClip::load(const Json& state) {
  const std::string where = "clipper state";
  const std::string kind = BALLAST_TRY(string_member(state, "kind", where));
  if (kind != "zclip")
    return corrupt_error(fmt::format("clipper state is of kind '{}'", kind), where,
                         "the run clips with zclip");
  const Json* initialized = BALLAST_TRY(member(state, "initialized", where));
  const Json* buffer = BALLAST_TRY(member(state, "buffer", where));
  const double mean = BALLAST_TRY(number_member(state, "mean", where));
  const double variance = BALLAST_TRY(number_member(state, "variance", where));
  const int64_t left = BALLAST_TRY(integer_member(state, "warmup_left", where));
  if (!initialized->is_boolean() || !buffer->is_array() ||
      buffer->size() > static_cast<size_t>(kMaxBuffer) || left < 0 || left > kMaxBuffer)
    return corrupt_error("clipper state is damaged", where);
  std::vector<double> values;
  for (const Json& value : *buffer) values.push_back(BALLAST_TRY(number_of(value, where)));
  initialized_ = initialized->get<bool>();
  mean_ = mean;
  variance_ = variance;
  warmup_left_ = left;
  buffer_ = std::move(values);
  return {};
}

std::string ZClip::spec() const {
  return fmt::format("zclip:mode={},z={},alpha={},warmup={},cap={},compat={},rewarm={}",
                     mode_name(settings_.mode), format_double(settings_.z),
                     format_double(settings_.alpha), settings_.warmup,
                     settings_.cap ? format_double(*settings_.cap) : "none",
                     settings_.reference ? "reference" : "safe", settings_.rewarm);
}

}  // namespace ballast
