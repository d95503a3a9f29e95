// Drops the update of a step whose loss or gradient norm stands out, as llm.c (-sl, -sg) and
// OLMo-core do, without the flaws of either: a value is tested against the last `window` accepted
// ones, itself excluded; what is not finite, and what was dropped, never enters a window; the
// windows are part of the checkpoint; a dropped step advances nothing.
//   z = (x - mean)/s, s the population deviation, at least 1e-3 |mean|; tested from 64 values (or
//   `window`, if that is less) on. Dropped when z_loss > loss or z_norm > norm (0: not tested).
// After `patience` drops in a row the level has moved for good, and the windows start anew; after a
// planned event too. Norms of accepted steps are clipped to `clip` as by fixed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libcore/optim/clip/clip.h"
#include "libcore/stats/window.h"

namespace ballast {

struct ZSkipSettings {
  double loss = 6, norm = 6;  // thresholds; 0: not tested
  int64_t window = 128;       // accepted values
  int64_t patience = 20;      // steps
  std::optional<double> clip = 1.0;
};

class ZSkip final : public Clipper {
 public:
  explicit ZSkip(const ZSkipSettings& settings)
      : settings_(settings), losses_(settings.window), norms_(settings.window) {}
  using Clipper::decide;
  ClipDecision decide(double grad_norm, double loss) override;
  void on_event() override;
  Json state() const override;
  Result<void> load(const Json& state) override;
  std::string spec() const override;

 private:
  double z_of(const RollingWindow& window, double value) const;  // NaN: too few values

  ZSkipSettings settings_;
  RollingWindow losses_, norms_;
  int64_t dropped_ = 0;  // in a row
};

}  // namespace ballast
