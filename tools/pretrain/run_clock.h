// Where the wall-clock time of a run goes: the parts of a step, saving, and the steps that a
// recovery throws away. No number of the run depends on it; when to save and what a record says
// about time does. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

namespace ballast {

class RunClock {
 public:
  using Clock = std::chrono::steady_clock;

  // Adds the seconds of its scope to a sum.
  class Scope {
   public:
    explicit Scope(double& sum) : sum_(sum), start_(Clock::now()) {}
    ~Scope() { sum_ += seconds_since(start_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    double& sum_;
    Clock::time_point start_;
  };

  void begin_step();
  Scope reading() { return Scope(data_seconds_); }           // the batch
  Scope waiting() { return Scope(communication_seconds_); }  // for other ranks
  void end_step(int64_t step) { add_step(step, seconds_since(step_start_)); }
  void add_step(int64_t step, double seconds);

  // Of the last step.
  double step_seconds() const { return step_seconds_; }
  double data_seconds() const { return data_seconds_; }
  double communication_seconds() const { return communication_seconds_; }
  double compute_seconds() const;  // the rest of it
  double average_step_seconds() const { return average_seconds_; }
  // Of the steps after `step` that this process computed last.
  double seconds_after(int64_t step) const;

  void begin_run() { last_save_ = Clock::now(); }
  void saved(double seconds);
  double longest_save() const { return longest_save_; }
  double seconds_since_save() const { return seconds_since(last_save_); }
  double take_saving_seconds() {
    return std::exchange(saving_seconds_, 0.0);
  }  // since the last call

  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

 private:
  static constexpr size_t kStepsKept = 100'000;

  Clock::time_point step_start_, last_save_;
  double step_seconds_ = 0, data_seconds_ = 0, communication_seconds_ = 0;
  double average_seconds_ = 0;  // exponential
  double saving_seconds_ = 0, longest_save_ = 0;
  std::deque<std::pair<int64_t, double>> steps_;  // step and seconds, in the order of computing
};

}  // namespace ballast
