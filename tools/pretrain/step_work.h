// What one step found and decided, in the order in which its passes fill it in; it becomes the
// step's record in the trace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/guard/detector.h"
#include "libcore/guard/injection.h"
#include "libcore/optim/clip/clip.h"
#include "tools/pretrain/held_out.h"

namespace ballast {

// Of all ranks unless said otherwise; means over unmasked labels.
struct StepLosses {
  double loss = 0;
  double z_loss = 0;
  double max_rank = 0;                 // the largest mean of one rank
  std::vector<double> by_source;       // empty with one source; NaN: no labels of it
  std::vector<WindowSum> by_sequence;  // of this rank's sequences
};

struct UpdateNorms {
  double update = 0, param = 0, v = 0;
  std::optional<double> rms;  // stable_adamw: the largest R of a tensor
};

struct StepWork {
  int64_t step = 0;
  int64_t batch_tokens = 0, batch_samples = 0;
  double lr = 0;
  int64_t valid = 0;          // unmasked labels of all ranks
  std::vector<Fault> faults;  // that fired in it
  double update_factor = 1;
  StepLosses losses;
  double grad_norm = 0;  // before clipping
  Verdict verdict;
  std::string rerun;     // what computing it twice showed; empty: it was not
  std::string hardware;  // what is suspected of the machine; empty: nothing
  ClipDecision clip;
  std::string skip_reason;  // empty: the update is applied
  bool apply() const { return skip_reason.empty(); }
};

}  // namespace ballast
