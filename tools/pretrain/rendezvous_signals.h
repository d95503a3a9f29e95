// Signals while a rank waits for the others to come: nothing has begun, so a request to stop ends
// the process at once with exit code 75, and nothing is written. Meanwhile every thread of the
// process blocks them, and so do threads that are started now, for good: only the main thread has a
// stack for the handler of a run (control.cpp). One object at a time, by the main thread.
#pragma once

#include <signal.h>

#include <string>
#include <thread>

namespace ballast {

class RendezvousSignals {
 public:
  // `message` is said on stderr, with the signal's name behind it; empty: there is nobody to wait
  // for, and a signal is served when the object ends. A signal that came before counts too.
  explicit RendezvousSignals(std::string message);
  ~RendezvousSignals();
  RendezvousSignals(const RendezvousSignals&) = delete;
  RendezvousSignals& operator=(const RendezvousSignals&) = delete;

 private:
  void watch(int signals, int end) const;

  std::string message_;
  sigset_t before_;
  int end_[2] = {-1, -1};  // a pipe: closing it ends the watch
  std::thread watcher_;
};

}  // namespace ballast
