// Do two models say the same? Logits of both for the same pseudo-random tokens, on the CPU.
#pragma once

#include "libcore/base/result.h"
#include "libcore/model/fold.h"

namespace ballast {

struct LogitsDifference {
  double largest = 0;  // absolute, over all logits; NaN when either side has one
  double scale = 0;    // largest absolute logit of the first model
  int64_t tokens = 0;
};

// Models of one vocabulary. Kind device when there is no CPU backend.
Result<LogitsDifference> compare_logits(const FoldedModel& a, const FoldedModel& b, int threads);

}  // namespace ballast
