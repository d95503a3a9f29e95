// Spike rules of other projects, for a look beside our own verdicts: each a small streaming struct
// fed with the values of one run in order. Values that are not finite are counted, never judged and
// never enter a window (in the originals one NaN blinds the rule for a window or for good). Values
// that a rule calls spikes do enter, as in the originals. O(window) per value; pure; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "libcore/stats/window.h"

namespace ballast {

// z of a value against the mean and deviation of a window: of the values before it, or of those and
// itself (`inclusive`, which bounds z by sqrt(n - 1), with the sample's deviation by (n -
// 1)/sqrt(n)).
class WindowScore {
 public:
  struct Rule {
    int64_t window = 128;    // values
    bool inclusive = false;  // the value is in its own window
    bool sample = false;     // divisor n - 1 instead of n
  };
  explicit WindowScore(Rule rule);
  // NaN until the window was full before this value, and for a value that is not finite; 0 for a
  // deviation under 1e-10.
  double observe(double value);

 private:
  Rule rule_;
  RollingWindow values_;
};

// Share of `hits` in `tested` in percent; NaN when nothing was tested.
struct SpikeCount {
  int64_t tested = 0;
  int64_t hits = 0;
  int64_t nonfinite = 0;
  double percent() const;
  void add(bool hit);
};

// OLMo 2's spike score (arXiv 2501.00656): the share of values at least 7 standard deviations away,
// up or down, from the mean of the last 1000. Here the window ends before the value, the deviation
// is of the population, and values count from the 1001st on.
class OlmoSpikeScore {
 public:
  static constexpr int64_t kWindow = 1000;
  static constexpr double kSigmas = 7;
  bool observe(double value);  // a spike?
  const SpikeCount& count() const { return count_; }

 private:
  WindowScore score_{{kWindow, false, false}};
  SpikeCount count_;
};

// OLMo-core's stability monitor: a step spikes when its loss or its norm is more than 6 population
// deviations above the mean of the 128 values before it. Cumulative share, and the share of the
// last 10,000 steps.
class OlmoCoreMonitor {
 public:
  static constexpr int64_t kWindow = 128;
  static constexpr double kSigmas = 6;
  static constexpr int64_t kRecentSteps = 10000;
  // NaN: not recorded.
  bool observe(double loss, double grad_norm);
  const SpikeCount& count() const { return count_; }
  double recent_percent() const;  // NaN before the first verdict

 private:
  WindowScore loss_{{kWindow, false, false}};
  WindowScore norm_{{kWindow, false, false}};
  SpikeCount count_;
  std::deque<bool> recent_;
  int64_t recent_hits_ = 0;
};

// llm.c's z-score (-sl for the loss, -sg for the norm): ring of 128 with the value inside and the
// population's deviation, so that z is at most sqrt(127) = 11.269. llm.c drops the update where z
// is over the flag; the flag is off by default, so steps are counted over `limit`.
class LlmcScore {
 public:
  static constexpr int64_t kWindow = 128;
  explicit LlmcScore(double limit = 6) : limit_(limit) {}
  bool observe(double value);
  const SpikeCount& count() const { return count_; }
  double largest() const { return largest_; }  // z; NaN before the first
  double limit() const { return limit_; }

 private:
  double limit_;
  WindowScore score_{{kWindow, true, false}};
  SpikeCount count_;
  double largest_ = std::numeric_limits<double>::quiet_NaN();
};

// The course text's loss spike: a jump to 2-100 times the loss in less than 100 steps. The lowest
// loss of the 99 steps before is the foot; steps without 99 quiet ones between them are one jump.
// A jump beyond 100 times counts too.
class LossJumpRule {
 public:
  static constexpr int64_t kSpan = 100;  // steps
  static constexpr double kRatio = 2;
  bool observe(int64_t step, double loss);     // steps ascend
  int64_t jumps() const { return jumps_; }     // begun
  int64_t steps() const { return steps_; }     // that stand so high
  double largest() const { return largest_; }  // ratio; NaN: no two losses within the span

 private:
  std::deque<std::pair<int64_t, double>> lowest_;  // step, loss; ascending in both
  int64_t jumps_ = 0, steps_ = 0;
  int64_t last_ = std::numeric_limits<int64_t>::min() / 2;
  double largest_ = std::numeric_limits<double>::quiet_NaN();
};

// All of them over one run.
struct SpikeScores {
  OlmoSpikeScore olmo_loss, olmo_norm;
  OlmoCoreMonitor olmo_core;
  LlmcScore llmc_loss, llmc_norm;
  LossJumpRule jump;
  int64_t steps = 0;
  // Absent values are NaN; a recorded value that is not finite likewise.
  void observe(int64_t step, double loss, double grad_norm);
};

}  // namespace ballast
