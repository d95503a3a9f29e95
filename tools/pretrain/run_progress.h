// What a person sees of a run while it goes: one line that is redrawn on a terminal, elsewhere a
// line about every tenth of the run. The leader speaks. One thread.
#pragma once

#include "libcore/cli/terminal.h"
#include "tools/pretrain/run_clock.h"
#include "tools/pretrain/run_config.h"
#include "tools/pretrain/step_work.h"

namespace ballast {

class RunProgress {
 public:
  RunProgress(const RunConfig& config, const RunClock& clock, bool leads)
      : config_(config), clock_(clock), leads_(leads) {}
  void show(const StepWork& work);
  void clear() { line_.clear(); }

 private:
  const RunConfig& config_;
  const RunClock& clock_;
  bool leads_;
  ProgressLine line_;
};

}  // namespace ballast
