// AutoClip (Seetharaman et al., arXiv 2007.14469; order of steps as in the project
// pseeth/autoclip): the norm joins the history first, then the p-th percentile of the history
// (linear interpolation) is the limit of a fixed clip, so the first step never clips. The history
// is the last `window` norms. After a planned event the history starts anew and `rewarm` norms pass
// unclipped; with rewarm=0 events do nothing. A norm that is not finite changes nothing.
#pragma once

#include <cstdint>
#include <string>

#include "libcore/optim/clip/clip.h"
#include "libcore/stats/robust.h"

namespace ballast {

struct AutoClipSettings {
  double p = 10;           // percent
  int64_t window = 10000;  // norms
  int64_t rewarm = 50;     // steps
};

class AutoClip final : public Clipper {
 public:
  explicit AutoClip(const AutoClipSettings& settings)
      : settings_(settings), history_(settings.window) {}
  using Clipper::decide;
  ClipDecision decide(double grad_norm, double loss) override;
  void on_event() override;
  Json state() const override;
  Result<void> load(const Json& state) override;
  std::string spec() const override;

 private:
  AutoClipSettings settings_;
  SortedWindow history_;
  int64_t warmup_left_ = 0;
};

}  // namespace ballast
