#include "libcore/optim/clip/clip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"
#include "libcore/optim/clip/autoclip.h"
#include "libcore/optim/clip/zclip.h"
#include "libcore/optim/clip/zskip.h"

namespace ballast {
namespace {

constexpr double kLargest = 1e30;

class NoClip final : public Clipper {
 public:
  using Clipper::decide;
  ClipDecision decide(double grad_norm, double /*loss*/) override {
    ClipDecision decision;
    decision.valid = std::isfinite(grad_norm);
    return decision;
  }
  Json state() const override { return Json{{"kind", "none"}}; }
  Result<void> load(const Json& state) override { return check_clipper_kind(state, "none"); }
  std::string spec() const override { return "none"; }
};

class FixedClip final : public Clipper {
 public:
  explicit FixedClip(double limit) : limit_(limit) {}
  using Clipper::decide;
  ClipDecision decide(double grad_norm, double /*loss*/) override {
    ClipDecision decision;
    decision.threshold = limit_;
    decision.valid = std::isfinite(grad_norm);
    if (decision.valid) clip_to(limit_, grad_norm, decision);
    return decision;
  }
  Json state() const override { return Json{{"kind", "fixed"}}; }
  Result<void> load(const Json& state) override { return check_clipper_kind(state, "fixed"); }
  std::string spec() const override { return fmt::format("fixed:{}", format_double(limit_)); }

 private:
  double limit_;
};

Result<std::unique_ptr<Clipper>> make_fixed(StrategySpec& spec) {
  const std::string text = spec.take_positional();
  double limit = 1.0;
  if (!text.empty()) limit = BALLAST_TRY(parse_double(text));
  if (limit <= 0 || limit > kLargest)
    return usage_error(fmt::format("fixed: '{}' is not a norm above 0", text), spec.flag());
  BALLAST_TRY(spec.finish());
  return std::unique_ptr<Clipper>(std::make_unique<FixedClip>(limit));
}

// `key`: none, or a norm above 0.
Result<std::optional<double>> take_limit(StrategySpec& spec, const std::string& key,
                                         const std::string& fallback) {
  const std::string text = spec.take_text(key, fallback);
  if (text == "none") return std::optional<double>();
  const Result<double> limit = parse_double(text);
  if (!limit.ok() || *limit <= 0 || *limit > kLargest)
    return usage_error(fmt::format("{}: {}={} is not accepted", spec.kind(), key, text),
                       spec.flag(), "none or a norm above 0");
  return std::optional<double>(*limit);
}

Result<std::unique_ptr<Clipper>> make_autoclip(StrategySpec& spec) {
  AutoClipSettings settings;
  settings.p = BALLAST_TRY(spec.take_number("p", settings.p, 0, 100));
  settings.window = BALLAST_TRY(spec.take_count("window", settings.window, 1, 100000));
  settings.rewarm = BALLAST_TRY(spec.take_count("rewarm", settings.rewarm, 0, 100000));
  BALLAST_TRY(spec.finish());
  return std::unique_ptr<Clipper>(std::make_unique<AutoClip>(settings));
}

Result<std::unique_ptr<Clipper>> make_zskip(StrategySpec& spec) {
  ZSkipSettings settings;
  settings.loss = BALLAST_TRY(spec.take_number("loss", settings.loss, 0, 1000));
  settings.norm = BALLAST_TRY(spec.take_number("norm", settings.norm, 0, 1000));
  settings.window = BALLAST_TRY(spec.take_count("window", settings.window, 2, 4096));
  settings.patience = BALLAST_TRY(spec.take_count("patience", settings.patience, 1, 100000));
  settings.clip = BALLAST_TRY(take_limit(spec, "clip", "1"));
  BALLAST_TRY(spec.finish());
  if (settings.loss == 0 && settings.norm == 0)
    return usage_error("zskip: loss=0 and norm=0 test nothing", spec.flag(), "none clips nothing");
  return std::unique_ptr<Clipper>(std::make_unique<ZSkip>(settings));
}

Result<std::unique_ptr<Clipper>> make_zclip(StrategySpec& spec) {
  ZClipSettings settings;
  const std::string form = BALLAST_TRY(spec.take_word("form", "raw", {"raw", "log", "median"}));
  if (form == "log") settings.form = ZClipForm::log;
  if (form == "median") settings.form = ZClipForm::median;
  const std::string mode =
      BALLAST_TRY(spec.take_word("mode", "reciprocal", {"reciprocal", "mean", "max"}));
  if (mode == "mean") settings.mode = ZClipMode::mean;
  if (mode == "max") settings.mode = ZClipMode::max;
  settings.z = BALLAST_TRY(spec.take_number("z", settings.z, 0.01, 1000));
  if (settings.form == ZClipForm::median) {
    settings.window = BALLAST_TRY(spec.take_count("window", settings.window, 2, 100000));
    settings.warmup = std::min(settings.warmup, settings.window);
    settings.rewarm = std::min(settings.rewarm, settings.window);
  } else {
    settings.alpha = BALLAST_TRY(spec.take_number("alpha", settings.alpha, 0, 0.999999));
  }
  settings.warmup = BALLAST_TRY(spec.take_count("warmup", settings.warmup, 1, 100000));
  settings.cap = BALLAST_TRY(take_limit(spec, "cap", "none"));
  settings.reference =
      BALLAST_TRY(spec.take_word("compat", "safe", {"safe", "reference"})) == "reference";
  settings.rewarm = BALLAST_TRY(spec.take_count("rewarm", settings.rewarm, 0, 100000));
  BALLAST_TRY(spec.finish());
  if (settings.reference && settings.form != ZClipForm::raw)
    return usage_error("zclip: compat=reference has only form=raw", spec.flag());
  if (settings.form == ZClipForm::median &&
      std::max(settings.warmup, settings.rewarm) > settings.window)
    return usage_error("zclip: warmup and rewarm must fit into window", spec.flag(),
                       fmt::format("window={}", settings.window));
  return std::unique_ptr<Clipper>(std::make_unique<ZClip>(settings));
}

}  // namespace

void clip_to(double limit, double grad_norm, ClipDecision& decision) {
  decision.threshold = limit;
  decision.factor = std::min(1.0, limit / (grad_norm + 1e-6));
  decision.clipped = decision.factor < 1;
  if (decision.clipped) decision.target = limit;
}

Result<void> check_clipper_kind(const Json& state, const std::string& kind) {
  const std::string found = BALLAST_TRY(string_member(state, "kind", "clipper state"));
  if (found != kind)
    return corrupt_error(fmt::format("clipper state is of kind '{}'", found), "clipper state",
                         fmt::format("the run clips with {}", kind));
  return {};
}

Json numbers_json(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(json_number(value));
  return list;
}

Result<std::vector<double>> finite_numbers(const Json& state, const std::string& key, int64_t most,
                                           const std::string& where) {
  const Json* list = BALLAST_TRY(member(state, key, where));
  if (!list->is_array() || list->size() > static_cast<size_t>(most))
    return corrupt_error(fmt::format("'{}' is not a list of at most {} numbers", key, most), where);
  std::vector<double> values;
  for (const Json& value : *list) {
    values.push_back(BALLAST_TRY(number_of(value, where)));
    if (!std::isfinite(values.back()))
      return corrupt_error(fmt::format("'{}' has a number that is not finite", key), where);
  }
  return values;
}

Result<std::unique_ptr<Clipper>> make_clipper(std::string_view text, const std::string& flag) {
  StrategySpec spec = BALLAST_TRY(StrategySpec::parse(text, flag));
  if (spec.kind() == "fixed") return make_fixed(spec);
  if (spec.kind() == "autoclip") return make_autoclip(spec);
  if (spec.kind() == "zclip") return make_zclip(spec);
  if (spec.kind() == "zskip") return make_zskip(spec);
  if (spec.kind() == "none") {
    BALLAST_TRY(spec.finish());
    return std::unique_ptr<Clipper>(std::make_unique<NoClip>());
  }
  return usage_error(fmt::format("clipping by '{}' is not built", spec.kind()), flag,
                     "none, fixed, autoclip, zclip, zskip");
}

}  // namespace ballast
