// ZClip over a grid of thresholds and smoothing factors: what each cell does to the norms of a run,
// and to norms in which nothing happens (libcore/stats/calm_series.h). All cells see the same
// series, each with a clipper of its own, so that the numbers do not depend on the threads. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libcore/base/thread_pool.h"
#include "libcore/stats/calm_series.h"
#include "tools/gradstat/norm_judge.h"

namespace ballast {

struct SweepSettings {
  std::vector<double> z, alpha;  // ascending
  std::string form = "raw", mode = "reciprocal", cap = "none";
  int64_t warmup = 25;
  int64_t trend = 500;  // steps around each whose median is the trend
  int64_t block = 0;    // steps shuffled together; 0: by their correlation
  int64_t repeats = 5;
  uint64_t seed = 0;
};
std::string cell_spec(const SweepSettings& settings, double z, double alpha);

// The norms of a run in memory: 9 bytes each, and what is said of those of spikes.
class JudgedNorms {
 public:
  void add(const JudgedNorm& judged);
  void restart() { restarts_.push_back(static_cast<int64_t>(norms_.size())); }

  struct Spike {  // one norm of it
    int64_t index = 0;
    bool onset = false;
    double threshold = 0;
  };
  const std::vector<double>& norms() const { return norms_; }
  const std::vector<NormKind>& kinds() const { return kinds_; }
  const std::vector<Spike>& spikes() const { return spikes_; }
  const std::vector<int64_t>& restarts() const { return restarts_; }  // in front of these norms
  int64_t healthy() const { return healthy_; }
  int64_t onsets() const { return onsets_; }

 private:
  std::vector<double> norms_;
  std::vector<NormKind> kinds_;
  std::vector<Spike> spikes_;
  std::vector<int64_t> restarts_;
  int64_t healthy_ = 0, onsets_ = 0;
};

// Share of calm norms that were clipped, over several series.
struct FalseRate {
  double mean = 0, low = 0, high = 0;  // over the series
  double error = 0;                    // of the mean: by the spread of the series or, where that is
                                       // larger, by the number of clips
};

struct SweepCell {
  double z = 0, alpha = 0;
  ClipTally tally = {};
  // Spikes by what became of their norms: brought under the Detector's threshold from the first,
  // only later, never.
  int64_t caught = 0, late = 0, missed = 0;
  FalseRate shuffled = {}, simulated = {};
  // The law's false alarms: the worse of the two.
  const FalseRate& worst() const { return simulated.mean > shuffled.mean ? simulated : shuffled; }
};

struct Sweep {
  std::vector<SweepCell> cells;  // z by z
  int64_t steps = 0, healthy = 0, spikes = 0;
  double correlation = 0;           // lag 1, of healthy norms around their trend
  int64_t block = 1;                // steps shuffled together
  std::vector<size_t> front;        // no other cell catches as many at fewer false alarms
  std::vector<size_t> recommended;  // see recommend(); the first is the best
};

// Needs kLeastHealthy healthy norms. `progress` is told what share is done, on the caller's thread.
inline constexpr int64_t kLeastHealthy = 32;
Sweep sweep(const JudgedNorms& norms, const SweepSettings& settings, ThreadPool& pool,
            const std::function<void(double)>& progress);

// Fills `front`, most caught first, and `recommended`: the cells that catch the most spikes with
// false alarms that are within two errors of the fewest. Nothing without spikes.
void recommend(Sweep& sweep);

}  // namespace ballast
