#include "tools/pretrain/rendezvous_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

#include "libcore/cli/exit_code.h"
#include "libcore/cli/message.h"
#include "tools/pretrain/control.h"

namespace ballast {
namespace {

[[noreturn]] void leave(const std::string& message, const std::string& reason) {
  print_note(message + ": " + reason);
  ::_exit(kExitStopped);
}

const char* name_of(uint32_t number) {
  return number == SIGTERM  ? "signal SIGTERM"
         : number == SIGINT ? "signal SIGINT"
                            : "signal SIGUSR1";
}

}  // namespace

RendezvousSignals::RendezvousSignals(std::string message) : message_(std::move(message)) {
  sigset_t stops, blocked;
  ::sigemptyset(&stops);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) ::sigaddset(&stops, number);
  blocked = stops;
  ::sigaddset(&blocked, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  if (message_.empty()) return;
  if (Control::stop_signalled()) leave(message_, "a signal came before");
  const int signals = ::signalfd(-1, &stops, SFD_CLOEXEC);
  if (signals < 0 || ::pipe2(end_, O_CLOEXEC) != 0) return;  // served later, as without a watch
  watcher_ = std::thread([this, signals] { watch(signals, end_[0]); });
}

RendezvousSignals::~RendezvousSignals() {
  if (watcher_.joinable()) {
    ::close(end_[1]);
    watcher_.join();
    ::close(end_[0]);
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void RendezvousSignals::watch(int signals, int end) const {
  pollfd polls[] = {{signals, POLLIN, 0}, {end, POLLIN, 0}};
  while (polls[1].revents == 0) {
    ::poll(polls, 2, -1);
    signalfd_siginfo info{};
    if (polls[1].revents == 0 && (polls[0].revents & POLLIN) != 0 &&
        ::read(signals, &info, sizeof(info)) == sizeof(info))
      leave(message_, name_of(info.ssi_signo));
  }
  ::close(signals);
}

}  // namespace ballast
