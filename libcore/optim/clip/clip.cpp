#include "libcore/optim/clip/clip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"
#include "libcore/optim/clip/zclip.h"

namespace ballast {
namespace {

constexpr double kLargest = 1e30;

Result<void> check_kind(const Json& state, const std::string& kind) {
  const std::string found = BALLAST_TRY(string_member(state, "kind", "clipper state"));
  if (found != kind)
    return corrupt_error(fmt::format("clipper state is of kind '{}'", found), "clipper state",
                         fmt::format("the run clips with {}", kind));
  return {};
}

class NoClip final : public Clipper {
 public:
  ClipDecision decide(double grad_norm) override {
    ClipDecision decision;
    decision.valid = std::isfinite(grad_norm);
    return decision;
  }
  Json state() const override { return Json{{"kind", "none"}}; }
  Result<void> load(const Json& state) override { return check_kind(state, "none"); }
  std::string spec() const override { return "none"; }
};

class FixedClip final : public Clipper {
 public:
  explicit FixedClip(double limit) : limit_(limit) {}
  ClipDecision decide(double grad_norm) override {
    ClipDecision decision;
    decision.threshold = limit_;
    decision.valid = std::isfinite(grad_norm);
    if (!decision.valid) return decision;
    decision.factor = std::min(1.0, limit_ / (grad_norm + 1e-6));
    decision.clipped = decision.factor < 1;
    if (decision.clipped) decision.target = limit_;
    return decision;
  }
  Json state() const override { return Json{{"kind", "fixed"}}; }
  Result<void> load(const Json& state) override { return check_kind(state, "fixed"); }
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

Result<std::unique_ptr<Clipper>> make_zclip(StrategySpec& spec) {
  ZClipSettings settings;
  const std::string mode =
      BALLAST_TRY(spec.take_word("mode", "reciprocal", {"reciprocal", "mean", "max"}));
  if (mode == "mean") settings.mode = ZClipMode::mean;
  if (mode == "max") settings.mode = ZClipMode::max;
  settings.z = BALLAST_TRY(spec.take_number("z", settings.z, 0.01, 1000));
  settings.alpha = BALLAST_TRY(spec.take_number("alpha", settings.alpha, 0, 0.999999));
  settings.warmup = BALLAST_TRY(spec.take_count("warmup", settings.warmup, 1, 100000));
  const std::string cap = spec.take_text("cap", "none");
  if (cap != "none") {
    settings.cap = BALLAST_TRY(parse_double(cap));
    if (*settings.cap <= 0 || *settings.cap > kLargest)
      return usage_error(fmt::format("zclip: cap={} is not accepted", cap), spec.flag(),
                         "none or a norm above 0");
  }
  settings.reference =
      BALLAST_TRY(spec.take_word("compat", "safe", {"safe", "reference"})) == "reference";
  settings.rewarm = BALLAST_TRY(spec.take_count("rewarm", settings.rewarm, 0, 100000));
  BALLAST_TRY(spec.finish());
  return std::unique_ptr<Clipper>(std::make_unique<ZClip>(settings));
}

}  // namespace

Result<std::unique_ptr<Clipper>> make_clipper(std::string_view text, const std::string& flag) {
  StrategySpec spec = BALLAST_TRY(StrategySpec::parse(text, flag));
  if (spec.kind() == "fixed") return make_fixed(spec);
  if (spec.kind() == "zclip") return make_zclip(spec);
  if (spec.kind() == "none") {
    BALLAST_TRY(spec.finish());
    return std::unique_ptr<Clipper>(std::make_unique<NoClip>());
  }
  return usage_error(fmt::format("clipping by '{}' is not built", spec.kind()), flag,
                     "none, fixed, zclip");
}

}  // namespace ballast
