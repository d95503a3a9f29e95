// The causal law of slow divergence, which no spike detector sees: has the level of a series begun
// to grow? A healthy loss falls, ever more slowly, whatever the schedule; so the null hypothesis is
// only that the level does not rise, and no shape of curve has to be fitted. Shown the difference
// to a reference run instead of a loss, the same law says whether the two drift apart.
//
// Medians of 32 values make a block; two blocks of one scale make a block of the next. Each scale
// keeps its last 32 blocks and tests them with every new one by Kendall's rank test for a rise, the
// variance enlarged where neighbouring blocks depend on each other. The limit follows from the
// wanted rate of false alarms alone: a scale whose blocks span b values tests once in b, so with S
// scales p = b / (every * S). A rise is drift only if it is no single step: with the best step
// taken out, the values on the two sides of it must still rise (p < 0.01).
//
// O(1) memory (32 blocks times 16 scales), streaming, deterministic. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ballast {

struct DriftSettings {
  double every = 1e7;     // on average at most one false alarm in so many healthy values
  double least_rise = 0;  // rises that are smaller (in units of the series) are no drift
};

struct DriftVerdict {
  bool tested = false;    // some scale has a full window
  bool drift = false;     // the alarm, once per rise; the fields below are set
  bool drifting = false;  // from the alarm until its scale falls again
  double z = 0;           // of the rank test
  double limit = 0;       // ... above which it is significant
  double rise = 0;        // of the fitted line from where it began to the newest block
  int64_t began_step = 0, began_tokens = 0;  // estimated
  int64_t window = 0;                        // values in the window that shows it
};

class DriftMonitor {
 public:
  static constexpr int64_t kBlockValues = 32;
  static constexpr size_t kBlocks = 32;
  static constexpr size_t kScales = 16;

  explicit DriftMonitor(const DriftSettings& settings = {});
  // One logged step that was not skipped. Values that are not finite are passed over. A step that
  // does not ascend (a rollback) takes back what came after it.
  DriftVerdict observe(int64_t step, int64_t tokens, double loss);
  // Levels move for good (restarts_statistics() in libcore/trace/record.h): forgets everything.
  void on_event();
  const DriftSettings& settings() const { return settings_; }

 private:
  struct Block {
    int64_t first_step = 0, last_step = 0, last_tokens = 0;
    double level = 0;
  };
  struct Scale {
    std::vector<Block> blocks;   // oldest first, at most kBlocks
    std::vector<Block> waiting;  // at most one, for its pair
  };
  void push(size_t scale, const Block& block, DriftVerdict& verdict);
  void test(size_t scale, DriftVerdict& verdict);
  void go_back(int64_t step);

  DriftSettings settings_;
  std::vector<Scale> scales_;
  std::vector<double> values_;  // of the block that is being filled
  Block open_;
  bool tested_ = false;
  bool drifting_ = false;
  size_t alarm_scale_ = 0;
};

}  // namespace ballast
