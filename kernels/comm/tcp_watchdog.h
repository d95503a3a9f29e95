// Watchdog: notices that a rank of the run has died, left with an error, or no longer answers, and
// ends the job on all others in bounded time, whatever the transport does meanwhile. Rank 0 is the
// hub: every rank holds a connection to it, over which both sides send a heartbeat each second. A
// connection that closes without a goodbye, or is silent for `patience`, is a lost rank, and the
// hub tells everyone. Then the transport is aborted, so that a main thread that waits in a
// collective fails; and should the watchdog still run `grace` later (the main thread computes, or
// hangs), it calls end_process. The last published checkpoint stands in any case. A thread of its
// own; verdict() may be called from any.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libcore/base/result.h"
#include "libcore/tensor/comm.h"

namespace ballast {

struct LostRank {
  int rank = 0;
  std::string text;  // "lost rank 3 (its connection was closed)"
};

struct WatchdogOptions {
  std::chrono::milliseconds beat{1000};
  std::chrono::milliseconds patience{60000};
  std::chrono::milliseconds grace{10000};
  std::function<void(const LostRank&)> end_process;  // from the watchdog's thread
};

class Watchdog {
 public:
  // Collective: every rank of `comm` calls it. The comm must outlive the watchdog.
  static Result<std::unique_ptr<Watchdog>> start(Comm& comm, const WatchdogOptions& options);
  virtual ~Watchdog() = default;  // in good order only after leave() or give_up()

  // Who was lost first; waits for it up to `wait`.
  virtual std::optional<LostRank> verdict(std::chrono::milliseconds wait) = 0;
  // This rank is done, or ends by an error of its own that the others do not know of. The watchdog
  // rests from here on.
  virtual void leave() = 0;
  virtual void give_up() = 0;
};

// BALLAST_HEARTBEAT_TIMEOUT in seconds, for `patience`; kind usage.
Result<WatchdogOptions> watchdog_options_from_environment();

}  // namespace ballast
