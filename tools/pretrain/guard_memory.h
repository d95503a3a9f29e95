// What the guard remembers between steps besides the ladder: part of a checkpoint's state, so that
// a resumed run decides as the run would have. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/guard/detector.h"
#include "libcore/guard/interventions.h"
#include "libcore/guard/ladder.h"
#include "libcore/guard/wait.h"

namespace ballast {

struct GuardMemory {
  static constexpr int64_t kWarningSteps = 10;  // how far the norm may lead the loss

  Wait wait;
  Interventions interventions;
  int64_t norm_warning = -1;        // first step of the last stretch in which the norm warned
  std::vector<double> source_loss;  // running mean by source, of applied steps; NaN: none yet
  int64_t last_fork = 0;            // journal line of the last fork taken; 0: none

  void warn(int64_t step) {
    if (norm_warning < 0 || step > norm_warning + kWarningSteps) norm_warning = step;
  }
  // The step that first warned of an onset at `step`: the onset itself when none did.
  int64_t warning_of(int64_t step) const {
    return norm_warning >= 0 && norm_warning + kWarningSteps >= step ? std::min(norm_warning, step)
                                                                     : step;
  }
  void learn(size_t source, double loss);
};

// The `guard` of a checkpoint's state: the detector's keys, and those of ladder and memory.
Json guard_json(const Detector& detector, const Ladder& ladder, const GuardMemory& memory);
Result<void> load_guard(const Json& json, Detector& detector, Ladder& ladder, GuardMemory& memory);

}  // namespace ballast
