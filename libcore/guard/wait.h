// The check that ends a `wait:K` rung: the loss is back when the median of the last 20 values (K,
// if that is fewer) is no more than two deviations above what it was before the onset, as the
// Classifier has it. A value that is not finite counts as above. Pure; its state goes into
// checkpoints, so that a resumed run decides alike.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/guard/ladder.h"
#include "libcore/io/json.h"

namespace ballast {

// What the ladder is asked about.
struct Alarm {
  IncidentKind kind = IncidentKind::jump;
  int64_t onset = 0;    // step
  int64_t samples = 0;  // consumed on this line after the onset's step
  int64_t warning = 0;  // first step at which the gradient norm warned; the onset: it did not
  double limit = std::numeric_limits<double>::infinity();  // loss below it: back to normal
};

class Wait {
 public:
  enum class Outcome : uint8_t { none, waiting, recovered, failed };

  bool active() const { return steps_ > 0; }
  const Alarm& alarm() const { return alarm_; }
  int64_t until() const { return alarm_.onset + steps_; }
  void begin(const Alarm& alarm, int64_t steps);
  // The loss of each step after the onset; `recovered` and `failed` end the wait.
  Outcome observe(int64_t step, double loss);
  void end() { *this = {}; }

  Json state() const;  // an empty object when there is none
  Result<void> load(const Json& state);

 private:
  static constexpr int64_t kValues = 20;
  Alarm alarm_;
  int64_t steps_ = 0;  // 0: no wait
  std::vector<double> values_;
};

}  // namespace ballast
