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

std::string_view form_name(ZClipForm form) {
  return form == ZClipForm::log ? "log" : form == ZClipForm::median ? "median" : "raw";
}

}  // namespace

double ZClip::norm_of(double x) const { return logarithmic() ? std::exp(x) : x; }

ClipDecision ZClip::decide(double grad_norm, double /*loss*/) {
  const bool finite = std::isfinite(grad_norm);
  ClipDecision decision;
  decision.valid = finite;
  if (!finite && !settings_.reference) return decision;
  if (!(logarithmic() && grad_norm <= 0)) {
    const double x = logarithmic() ? std::log(grad_norm) : grad_norm;
    double target = x;
    decision = warmup_left_ > 0 ? collect(x) : test(x, &target);
    decision.valid = finite;
    if (!decision.warming) learn(decision.spike ? target : x);
  }
  apply_cap(grad_norm, decision);
  return decision;
}

ClipDecision ZClip::collect(double x) {
  if (settings_.form == ZClipForm::median) {
    recent_.push(x);
  } else {
    buffer_.push_back(x);
  }
  if (--warmup_left_ == 0) {
    initialized_ = true;
    if (settings_.form == ZClipForm::median) {
      take_level();
    } else {
      const auto count = static_cast<double>(buffer_.size());
      double sum = 0;
      for (const double value : buffer_) sum += value;
      mean_ = sum / count;
      double squares = 0;
      for (const double value : buffer_) squares += (value - mean_) * (value - mean_);
      variance_ = squares / count;
      buffer_.clear();
    }
  }
  ClipDecision decision;
  decision.warming = true;
  return decision;
}

void ZClip::take_level() {
  const RobustLevel level = recent_.level();
  mean_ = level.center;
  variance_ = level.scale * level.scale;
}

double ZClip::scale() const {
  const double s = std::sqrt(variance_);
  if (logarithmic()) return std::max(s, kScaleFloor);
  return settings_.reference ? s : std::max({s, kEps, kScaleFloor * mean_});
}

ClipDecision ZClip::test(double x, double* target_x) const {
  const double s = scale();
  const bool without_eps = settings_.reference && settings_.mode == ZClipMode::max;
  const double limit = mean_ + settings_.z * (without_eps ? s : s + kEps);
  ClipDecision decision;
  decision.z = (x - mean_) / (s + kEps);
  decision.threshold = norm_of(limit);
  decision.spike = without_eps ? x > limit : decision.z > settings_.z;
  if (!decision.spike) return decision;
  switch (settings_.mode) {
    case ZClipMode::reciprocal:
      *target_x = mean_ + settings_.z * s / (decision.z / settings_.z);
      break;
    case ZClipMode::mean:
      *target_x = mean_;
      break;
    case ZClipMode::max:
      *target_x = mean_ + settings_.z * s;
      break;
  }
  decision.target = norm_of(*target_x);
  return decision;
}

void ZClip::learn(double x) {
  if (settings_.form == ZClipForm::median) {
    recent_.push(x);
    return take_level();
  }
  mean_ = settings_.alpha * mean_ + (1 - settings_.alpha) * x;
  const double difference = x - mean_;
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
  recent_.clear();
  warmup_left_ = initialized_ ? settings_.rewarm : settings_.warmup;
}

Json ZClip::state() const {
  const bool median = settings_.form == ZClipForm::median;
  Json json{{"kind", "zclip"}};
  if (logarithmic()) json["form"] = std::string(form_name(settings_.form));
  json["initialized"] = initialized_;
  json["mean"] = json_number(mean_);
  json["variance"] = json_number(variance_);
  json["warmup_left"] = warmup_left_;
  json["buffer"] = numbers_json(median ? recent_.values() : buffer_);
  return json;
}

Result<void> ZClip::load(const Json& state) {
  const std::string where = "clipper state";
  BALLAST_TRY(check_clipper_kind(state, "zclip"));
  const std::string form = state.value("form", std::string("raw"));
  if (form != form_name(settings_.form))
    return corrupt_error(fmt::format("clipper state is of form '{}'", form), where,
                         fmt::format("the run clips with {}", form_name(settings_.form)));
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
  buffer_.clear();
  recent_.clear();
  if (settings_.form != ZClipForm::median) {
    buffer_ = std::move(values);
    return {};
  }
  for (const double value : values) {
    if (!std::isfinite(value)) return corrupt_error("clipper state is damaged", where, "'buffer'");
    recent_.push(value);
  }
  return {};
}

std::string ZClip::spec() const {
  const bool median = settings_.form == ZClipForm::median;
  return fmt::format("zclip:{}mode={},z={},{},warmup={},cap={},compat={},rewarm={}",
                     logarithmic() ? fmt::format("form={},", form_name(settings_.form)) : "",
                     mode_name(settings_.mode), format_double(settings_.z),
                     median ? fmt::format("window={}", settings_.window)
                            : fmt::format("alpha={}", format_double(settings_.alpha)),
                     settings_.warmup, settings_.cap ? format_double(*settings_.cap) : "none",
                     settings_.reference ? "reference" : "safe", settings_.rewarm);
}

}  // namespace ballast
