// What `compare` and `sweep` share: the norms a clipper would have been shown, what the Detector
// says of each, and how a law is marked by that. Pure but for read_norms(); one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libcore/guard/detector.h"
#include "libcore/optim/clip/clip.h"
#include "tools/gradstat/trace_input.h"

namespace ballast {

// Until the Detector has a baseline a norm is neither healthy nor a spike.
enum class NormKind : uint8_t { untested, healthy, spike };

struct JudgedNorm {
  int64_t step = 0;
  double norm = 0, loss = 0;  // loss NaN: not recorded
  NormKind kind = NormKind::untested;
  bool onset = false;    // the first norm of a spike
  double threshold = 0;  // norms above it are part of a spike; where tested
  // Of all single tensors, always in the same order; empty: the trace does not have them, or they
  // do not make up the norm.
  std::vector<double> tensors = {};
};

// In the order of the trace: every norm that was shown to a clipper (steps that were skipped for
// another reason are not), and every event that makes statistics start anew. Says what was passed
// over. Kind insufficient: no norms, or not those of every step.
struct NormReading {
  DetectorSettings detector;
  bool tensors = false;  // JudgedNorm::tensors is wanted
  int threads = 1;       // that parse
};
Result<void> read_norms(const TraceInput& input, const NormReading& reading,
                        const std::function<void(const JudgedNorm&)>& take,
                        const std::function<void()>& restart);

// What a law did, by step.
struct ClipTally {
  int64_t clipped = 0, dropped = 0;
  int64_t healthy = 0;  // of both: norms in which nothing was wrong
  int64_t missed = 0;   // norms of spikes that are still above the Detector's threshold
  double factors = 0;   // sum; a dropped update counts 0
};
// Counts one decision, and gives the norm that the optimizer would have seen (0: dropped).
double tally(ClipTally& into, const ClipDecision& decision, double norm, NormKind kind,
             double threshold);

// part/whole, NaN for nothing of nothing.
double share_of(int64_t part, int64_t whole);

}  // namespace ballast
