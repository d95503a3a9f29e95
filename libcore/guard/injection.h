// Faults on purpose, so that a guard can be seen to work. Each fires once per run: what has fired
// is recorded in the journal and survives rollbacks and restarts.
//   grad@N:x=F   the global gradient of step N is scaled by F before the norm is taken
//   spike@N:x=F  the applied update of step N is multiplied by F after clipping, so the loss jumps
//                from N + 1
//   nan@N        one element of the gradient of step N becomes NaN
//   flip@N       one bit of one element of the gradient of step N is flipped
//   rare@N       the batch of step N is made of the rarest tokens of the data
// nan and flip happen on one rank, `:rank=R` (0). All but flip belong to the step: who computes it
// a second time sees them again. A flip is the machine's, and is not seen again. "Found at its
// step" means an onset at N or N + 1. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

enum class FaultKind : uint8_t { grad, spike, nan, flip, rare };

struct Fault {
  FaultKind kind = FaultKind::nan;
  int64_t step = 0;
  double factor = 1;
  int64_t rank = 0;  // nan, flip
  bool fired = false;
  std::string text() const;  // "spike@120:x=30", unique within a run
  // Seen again when the step is computed a second time.
  bool repeats() const { return kind != FaultKind::flip; }
};

// The bit that a flip turns over: the highest of the exponent, so that the value leaves its scale.
inline constexpr uint32_t kFlippedBit = uint32_t{1} << 30;

// A comma-separated list; empty: none. Kind usage, naming --inject.
Result<std::vector<Fault>> parse_injection(std::string_view spec);

}  // namespace ballast
