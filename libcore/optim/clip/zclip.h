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
// compat=reference keeps what the project's code does at the edges: a NaN poisons m and v, s may be
// 0, mode max is tested as g > m + zt s without eps, events do nothing. compat=safe ignores
// non-finite norms, uses s >= max(eps, 1e-3 m), and collects `rewarm` fresh norms after an event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/optim/clip/clip.h"

namespace ballast {

enum class ZClipMode { reciprocal, mean, max };

struct ZClipSettings {
  ZClipMode mode = ZClipMode::reciprocal;
  double z = 2.5;
  double alpha = 0.97;
  int64_t warmup = 25;        // steps
  std::optional<double> cap;  // the project's own default is 1.0
  bool reference = false;
  int64_t rewarm = 50;  // steps; 0: events do nothing
};

class ZClip final : public Clipper {
 public:
  explicit ZClip(const ZClipSettings& settings)
      : settings_(settings), warmup_left_(settings.warmup) {}
  ClipDecision decide(double grad_norm) override;
  void on_event() override;
  Json state() const override;
  Result<void> load(const Json& state) override;
  std::string spec() const override;

  double mean() const { return mean_; }
  double variance() const { return variance_; }

 private:
  ClipDecision collect(double grad_norm);
  ClipDecision test(double grad_norm) const;
  void apply_cap(double grad_norm, ClipDecision& decision) const;
  void learn(double value);
  double scale() const;  // s, floored unless reference

  ZClipSettings settings_;
  double mean_ = 0;
  double variance_ = 0;
  bool initialized_ = false;    // mean_ and variance_ have been set once
  int64_t warmup_left_ = 0;     // norms still to collect; 0: testing
  std::vector<double> buffer_;  // the norms collected so far
};

}  // namespace ballast
