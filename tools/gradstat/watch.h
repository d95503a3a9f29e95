// What is looked for in a growing trace: the alarms of the Detector (the same calls as in training
// and in `spikes`), slow drift, and restarts that lead nowhere. Fed record by record. Pure; one
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/guard/detector.h"
#include "libcore/guard/drift.h"
#include "libcore/trace/parser.h"

namespace ballast {

struct Alarm {
  std::string kind;    // onset, persistent, nonfinite, drift, stall
  std::string metric;  // loss, grad_norm, step
  int64_t segment = 0, step = 0;
  double value = 0;
  double z = 0, threshold = 0;  // NaN: none
  std::string text;             // a sentence for a person, "step 33: nonfinite of the ..."
};
Json to_json(const Alarm& alarm);

class Watch {
 public:
  // `restarts`: so many segments in a row that do not get beyond the furthest step are a stall.
  explicit Watch(int64_t restarts = 3) : restarts_(restarts) {}
  // Appends what the record sets off. Error: a detector state that does not fit.
  Result<void> take(const TraceRecord& record, std::vector<Alarm>& alarms);

  int64_t steps() const { return steps_; }
  int64_t judged() const { return judged_; }  // steps that the Detector could judge by
  bool drift_tested() const { return drift_tested_; }

 private:
  struct Taught {  // what the line has taught the Detector, for segments that carry no state
    int64_t segment = 0, step = 0;
    double loss = 0, norm = 0;
    bool skipped = false, event = false;
  };
  Result<void> begin_segment(const RunRecord& run, std::vector<Alarm>& alarms);
  void go_back(const RunRecord& run);
  void take_step(const StepRecord& step, std::vector<Alarm>& alarms);
  void judge(const StepRecord& step, std::vector<Alarm>& alarms);
  void judge_drift(const StepRecord& step, std::vector<Alarm>& alarms);

  int64_t restarts_;
  Detector detector_;
  DriftMonitor drift_;
  std::deque<Taught> taught_;
  int64_t steps_ = 0, judged_ = 0;
  int64_t furthest_ = -1;  // step
  int64_t vain_ = 0;       // segments since that was reached
  bool drift_tested_ = false;
};

}  // namespace ballast
