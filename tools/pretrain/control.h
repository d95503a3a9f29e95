// Why a run should save or stop: signals, files in RUN/control, the wall clock, a reader that went
// away. Polled once per step. SIGTERM, SIGINT and SIGUSR1 mean save and stop (a second one: leave
// now), SIGUSR2 means save and go on; SIGPIPE is ignored. One object per process.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "libcore/io/file_system.h"

namespace ballast {

// In ascending order of weight: of several causes the last one counts.
enum class Cause : uint8_t {
  none,
  save_signal,
  save_file,
  stop_file,
  wall_time,
  reader_gone,
  usr1_signal,
  int_signal,
  term_signal,
};
inline constexpr size_t kCauses = 9;

struct ControlRequest {
  Cause cause = Cause::none;
  bool save() const { return cause != Cause::none; }
  bool stop() const { return cause > Cause::save_file; }
  std::string reason() const;  // "signal SIGTERM", "control/stop", "wall time"
};

class Control {
 public:
  // max_wall_seconds counts from the start of the program; 0: none. SLURM_JOB_END_TIME (seconds
  // since 1970) is obeyed too. Of several ranks one looks for files; the others give no directory.
  Control(FileSystem& fs, std::string run_directory, double max_wall_seconds);

  // `save_seconds` is the longest save so far, `step_seconds` the last step: the run stops while
  // there is time for both, with half as much again.
  ControlRequest poll(double save_seconds, double step_seconds);
  // Signals only; cheap enough for every micro-batch of an evaluation.
  static bool stop_signalled();
  // Signals are requests from here on; a run calls it before it touches its first file.
  static void take_signals();

 private:
  Cause file_cause();
  double seconds_left() const;
  FileSystem& fs_;
  std::string directory_;
  double max_wall_seconds_;
  double job_end_ = 0;  // seconds since 1970; 0: unknown
};

}  // namespace ballast
