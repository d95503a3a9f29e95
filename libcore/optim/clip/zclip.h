// ZClip (Kumar et al., arXiv 2504.02507; step order as in the project bluorion-com/ZClip 1.0.0).
// With m, v the running mean and variance of norms, s = sqrt(v), z = (g - m)/(s + eps):
//   warm-up  the first `warmup` norms are collected; then m, v := their mean and population
//            variance. No test until then.
//   test     z > z_threshold, on the statistics before this step.
//   target   reciprocal m + (zt^2/z) s    mean m    max m + zt s
//   cap      min(target or g, cap) when there is one, in warm-up too
//   factor   target/(g + 1e-6)
//   update   u = target if the test fired, else g (the cap does not feed the statistics);
//            m := a m + (1-a) u, then v := a v + (1-a)(u - m)^2 with the new m.
// Forms of the statistics (z, targets and floors are the same, in the units of x):
//   raw      x = g, as above
//   log      x = ln g: norms are skewed, their logarithms nearly normal; thresholds and targets are
//            exp() of those of x, and s >= 1e-3
//   median   x = ln g; m is the median and s 1.4826 MAD of the last `window` values of u, so that a
//            few wild norms move nothing
// In the last two a norm of 0, which has no logarithm, is neither clipped nor learnt.
// compat=reference keeps what the project's code does at the edges: a NaN poisons m and v, s may be
// 0, mode max is tested as g > m + zt s without eps, events do nothing. compat=safe ignores
// non-finite norms, uses s >= max(eps, 1e-3 m), and collects `rewarm` fresh norms after an event.
// compat=reference is of form raw only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/optim/clip/clip.h"
#include "libcore/stats/robust.h"

namespace ballast {

enum class ZClipMode { reciprocal, mean, max };
enum class ZClipForm { raw, log, median };

struct ZClipSettings {
  ZClipForm form = ZClipForm::raw;
  ZClipMode mode = ZClipMode::reciprocal;
  double z = 2.5;
  double alpha = 0.97;
  int64_t window = 128;       // norms; form median
  int64_t warmup = 25;        // steps
  std::optional<double> cap;  // the project's own default is 1.0
  bool reference = false;
  int64_t rewarm = 50;  // steps; 0: events do nothing
};

class ZClip final : public Clipper {
 public:
  explicit ZClip(const ZClipSettings& settings)
      : settings_(settings),
        warmup_left_(settings.warmup),
        recent_(settings.form == ZClipForm::median ? settings.window : 1) {}
  using Clipper::decide;
  ClipDecision decide(double grad_norm, double loss) override;
  void on_event() override;
  Json state() const override;
  Result<void> load(const Json& state) override;
  std::string spec() const override;

  double mean() const { return mean_; }
  double variance() const { return variance_; }

 private:
  bool logarithmic() const { return settings_.form != ZClipForm::raw; }
  double norm_of(double x) const;  // the norm that x stands for
  ClipDecision collect(double x);
  ClipDecision test(double x, double* target_x) const;
  void apply_cap(double grad_norm, ClipDecision& decision) const;
  void learn(double x);
  void take_level();     // median: m and s of the window
  double scale() const;  // s, floored unless reference

  ZClipSettings settings_;
  double mean_ = 0;
  double variance_ = 0;
  bool initialized_ = false;    // mean_ and variance_ have been set once
  int64_t warmup_left_ = 0;     // norms still to collect; 0: testing
  std::vector<double> buffer_;  // what has been collected so far; raw and log
  SortedWindow recent_;         // median: the last values, collected or learnt
};

}  // namespace ballast
