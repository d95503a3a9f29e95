#include "tools/pretrain/control.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <vector>

#include "libcore/base/units.h"

namespace ballast {
namespace {

std::atomic<int> stop_signal{0};
std::atomic<bool> save_signal{false};

extern "C" void on_signal(int number) {
  if (number == SIGUSR2) {
    save_signal.store(true);
    return;
  }
  if (stop_signal.exchange(number) != 0) _exit(128 + number);  // the second one: leave now
}

// Taken before main: loading the model and the data is part of the wall time that a job has.
const std::chrono::steady_clock::time_point kProgramStart = std::chrono::steady_clock::now();

Cause cause_of_signal(int number) {
  switch (number) {
    case SIGTERM:
      return Cause::term_signal;
    case SIGINT:
      return Cause::int_signal;
    default:
      return Cause::usr1_signal;
  }
}

}  // namespace

Control::Control(FileSystem& fs, std::string run_directory, double max_wall_seconds)
    : fs_(fs),
      directory_(run_directory.empty() ? "" : join_path(run_directory, "control")),
      max_wall_seconds_(max_wall_seconds) {
  take_signals();
  if (const char* end = std::getenv("SLURM_JOB_END_TIME")) {
    if (const auto seconds = parse_double(end); seconds.ok()) job_end_ = *seconds;
  }
}

void Control::take_signals() {
  // oneDNN's generated code uses the stack pointer as an ordinary register. A handler that ran on
  // that "stack" would write its frame into the heap.
  static std::vector<char> stack(
      static_cast<size_t>(std::max<long>(::sysconf(_SC_SIGSTKSZ), 65536)));
  const stack_t own = {.ss_sp = stack.data(), .ss_flags = 0, .ss_size = stack.size()};
  ::sigaltstack(&own, nullptr);
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaction(number, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool Control::stop_signalled() { return stop_signal.load() != 0; }

double Control::seconds_left() const {
  double left = std::numeric_limits<double>::infinity();
  if (max_wall_seconds_ > 0) {
    const std::chrono::duration<double> used = std::chrono::steady_clock::now() - kProgramStart;
    left = max_wall_seconds_ - used.count();
  }
  if (job_end_ > 0) {
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    left = std::min(left, job_end_ - now.count());
  }
  return left;
}

// A request that stays behind would stop the next start of the run as well, so it is taken away.
Cause Control::file_cause() {
  if (directory_.empty()) return Cause::none;
  Cause cause = Cause::none;
  const std::string save = join_path(directory_, "save"), stop = join_path(directory_, "stop");
  if (fs_.exists(save)) {
    cause = Cause::save_file;
    (void)fs_.remove(save);
  }
  if (fs_.exists(stop)) {
    cause = Cause::stop_file;
    (void)fs_.remove(stop);
  }
  return cause;
}

ControlRequest Control::poll(double save_seconds, double step_seconds) {
  Cause cause = save_signal.exchange(false) ? Cause::save_signal : Cause::none;
  cause = std::max(cause, file_cause());
  if (seconds_left() < 1.5 * (save_seconds + step_seconds))
    cause = std::max(cause, Cause::wall_time);
  if (const int number = stop_signal.load(); number != 0) cause = cause_of_signal(number);
  return {cause};
}

std::string ControlRequest::reason() const {
  constexpr const char* kReasons[kCauses] = {"",
                                             "signal SIGUSR2",
                                             "control/save",
                                             "control/stop",
                                             "wall time",
                                             "the reader of the trace went away",
                                             "signal SIGUSR1",
                                             "signal SIGINT",
                                             "signal SIGTERM"};
  return kReasons[static_cast<size_t>(cause)];
}

}  // namespace ballast
