#include "libcore/cli/end_signals.h"

#include <signal.h>

#include <cerrno>

#include "libcore/cli/terminal.h"
#include "libcore/io/temporary_paths.h"

namespace ballast {
namespace {

// The signal is blocked while its handler runs, and delivered again when that returns.
void end(int number) {
  const int error = errno;
  unlink_temporaries();
  clear_progress_for_message();
  ::signal(number, SIG_DFL);
  ::raise(number);
  errno = error;
}

}  // namespace

void tidy_up_on_signals() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction action = {};
    ::sigaction(number, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = end;
    ::sigaction(number, &action, nullptr);
  }
}

}  // namespace ballast
