#include "libcore/optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"

namespace ballast {
namespace {

double ratio(int64_t part, int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// A length of `key` in tokens: a share of the run, steps of the constant batch, or tokens.
Result<int64_t> take_length(StrategySpec& spec, const std::string& key, const std::string& fallback,
                            int64_t total_tokens, int64_t batch_tokens) {
  const std::string text = spec.take_text(key, fallback);
  const auto refuse = [&](const std::string& why) {
    return usage_error(fmt::format("{}: {}={} is not accepted", spec.kind(), key, text),
                       spec.flag(), why);
  };
  int64_t tokens = 0;
  if (text.ends_with('%')) {
    const Result<double> percent = parse_double(std::string_view(text).substr(0, text.size() - 1));
    if (!percent.ok() || *percent < 0 || *percent > 100) return refuse("0% to 100%");
    tokens = std::llround(*percent / 100 * static_cast<double>(total_tokens));
  } else {
    const Result<Length> length = parse_length(text);
    if (!length.ok()) return refuse("tokens like 4B, steps like 300steps, or a share like 20%");
    if (length->steps && batch_tokens == 0)
      return refuse("the batch size changes during the run: give tokens or a share");
    const int64_t unit = length->steps ? batch_tokens : 1;
    if (length->count > total_tokens / unit + 1) return refuse("longer than the run");
    tokens = length->count * unit;
  }
  if (tokens > total_tokens) return refuse("longer than the run");
  return tokens;
}

constexpr std::pair<CooldownShape, const char*> kShapes[] = {
    {CooldownShape::one_minus_sqrt, "1-sqrt"},
    {CooldownShape::linear, "linear"},
    {CooldownShape::sqrt, "sqrt"},
    {CooldownShape::cosine, "cosine"},
    {CooldownShape::mirror_cosine, "mirror-cosine"},
    {CooldownShape::square, "square"}};

std::string shape_name(CooldownShape shape) {
  for (const auto& [known, name] : kShapes)
    if (known == shape) return name;
  return "";
}

double half_cosine(double q) { return (1 + std::cos(std::numbers::pi * q)) / 2; }

// Between two points the straight line; the points are not empty.
double interpolate(const std::vector<SchedulePoint>& points, int64_t x) {
  const auto after = std::ranges::upper_bound(points, x, {}, &SchedulePoint::tokens);
  if (after == points.begin()) return points.front().value;
  const SchedulePoint& a = *(after - 1);
  if (after == points.end()) return a.value;
  return a.value + (after->value - a.value) * ratio(x - a.tokens, after->tokens - a.tokens);
}

}  // namespace

double cooldown_value(CooldownShape shape, double q) {
  switch (shape) {
    case CooldownShape::linear:
      return 1 - q;
    case CooldownShape::sqrt:
      return std::sqrt(1 - q);
    case CooldownShape::cosine:
      return half_cosine(q);
    case CooldownShape::mirror_cosine:
      return 2 * (1 - q) - half_cosine(q);
    case CooldownShape::square:
      return 1 - q * q;
    case CooldownShape::one_minus_sqrt:
      break;
  }
  return 1 - std::sqrt(q);
}

double Schedule::warmup(int64_t tokens) const {
  if (warmup_tokens == 0) return 1;
  const double risen = std::min(1.0, ratio(tokens, warmup_tokens));
  return start_fraction == 0 ? risen : start_fraction + (1 - start_fraction) * risen;
}

double Schedule::multiplier(int64_t tokens_before, int64_t step_tokens) const {
  if (kind == ScheduleKind::file) {
    const double value = interpolate(points, tokens_before);
    return absolute_points ? value / peak_lr : value;
  }
  const double warm = warmup(tokens_before + step_tokens);
  const double f = final_fraction;
  if (kind == ScheduleKind::cosine || kind == ScheduleKind::linear) {
    const int64_t span = total_tokens - warmup_tokens;
    if (tokens_before < warmup_tokens || span <= 0) return warm;
    const double q = std::min(1.0, ratio(tokens_before - warmup_tokens, span));
    if (kind == ScheduleKind::linear) return warm * (f + (1 - f) * (1 - q));
    return warm * (f + (1 - f) / 2 * (1 + std::cos(std::numbers::pi * q)));
  }
  const int64_t start = total_tokens - cooldown_tokens;
  if (kind == ScheduleKind::wsd && cooldown_tokens > 0 && tokens_before >= start) {
    const double q = std::min(1.0, ratio(tokens_before - start, cooldown_tokens));
    return warm * (f + (1 - f) * cooldown_value(shape, q));
  }
  return warm;
}

double Schedule::lr(int64_t tokens_before, int64_t step_tokens) const {
  if (kind == ScheduleKind::file && absolute_points) return interpolate(points, tokens_before);
  return peak_lr * multiplier(tokens_before, step_tokens);
}

std::string Schedule::spec() const {
  if (kind == ScheduleKind::file)
    return fmt::format("file:points={},hash={}", points.size(), points_hash);
  std::string text = fmt::format("warmup={}", warmup_tokens);
  if (start_fraction != 0) text += ",start=" + format_double(start_fraction);
  if (kind == ScheduleKind::constant) return "constant:" + text;
  if (kind == ScheduleKind::wsd)
    text += fmt::format(",cooldown={},shape={}", cooldown_tokens, shape_name(shape));
  text += ",final=" + format_double(final_fraction);
  const char* name = kind == ScheduleKind::wsd      ? "wsd:"
                     : kind == ScheduleKind::cosine ? "cosine:"
                                                    : "linear:";
  return name + text;
}

Result<Schedule> make_schedule(std::string_view text, double peak_lr, int64_t total_tokens,
                               int64_t batch_tokens) {
  StrategySpec spec = BALLAST_TRY(StrategySpec::parse(text, "--schedule"));
  Schedule schedule;
  schedule.peak_lr = peak_lr;
  schedule.total_tokens = total_tokens;
  if (spec.kind() != "wsd" && spec.kind() != "cosine" && spec.kind() != "linear" &&
      spec.kind() != "constant")
    return usage_error(fmt::format("schedule '{}' is not built", spec.kind()), spec.flag(),
                       "wsd, cosine, linear, constant, file:F");
  if (total_tokens <= 0) return usage_error("the run has no tokens", spec.flag());
  schedule.warmup_tokens =
      BALLAST_TRY(take_length(spec, "warmup", "1%", total_tokens, batch_tokens));
  schedule.start_fraction = BALLAST_TRY(spec.take_number("start", 0, 0, 1));
  if (spec.kind() == "cosine") {
    schedule.kind = ScheduleKind::cosine;
    schedule.final_fraction = BALLAST_TRY(spec.take_number("final", 0.1, 0, 1));
  }
  if (spec.kind() == "linear") {
    schedule.kind = ScheduleKind::linear;
    schedule.final_fraction = BALLAST_TRY(spec.take_number("final", 0, 0, 1));
  }
  if (spec.kind() == "wsd") {
    schedule.kind = ScheduleKind::wsd;
    schedule.final_fraction = BALLAST_TRY(spec.take_number("final", 0, 0, 1));
    schedule.cooldown_tokens =
        BALLAST_TRY(take_length(spec, "cooldown", "20%", total_tokens, batch_tokens));
    std::vector<std::string> names;
    for (const auto& [shape, name] : kShapes) names.emplace_back(name);
    const std::string name = BALLAST_TRY(spec.take_word("shape", "1-sqrt", names));
    for (const auto& [shape, known] : kShapes)
      if (name == known) schedule.shape = shape;
  }
  BALLAST_TRY(spec.finish());
  if (schedule.warmup_tokens + schedule.cooldown_tokens > total_tokens)
    return usage_error("warm-up and cooldown are longer than the run", spec.flag(),
                       fmt::format("{} + {} of {} tokens", schedule.warmup_tokens,
                                   schedule.cooldown_tokens, total_tokens));
  return schedule;
}

}  // namespace ballast
