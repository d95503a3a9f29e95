// NcclCommunicator: one ncclComm_t that never blocks. Calls are made by one thread; each is polled
// until the library has settled it. A thread of its own watches what the device does with them: an
// error that the library reports, or work that does not end within the timeout, ends in
// ncclCommAbort, after which the device's streams run on with garbage and every further call
// throws. So whoever waits for a stream gets away, and hears of it at the next call.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "kernels/comm/nccl_library.h"
#include "kernels/cuda/device_access.h"

namespace ballast {

class NcclCommunicator {
 public:
  // Every rank must make it, with one id; throws DeviceError. `place`: "rank 1", for messages.
  NcclCommunicator(std::shared_ptr<const NcclLibrary> library, const DeviceAccess& device, int size,
                   int rank, const ncclUniqueId& id, int timeout_s);
  // In good order when nothing has failed; in bounded time in any case.
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  const NcclLibrary& library() const;
  using Call = std::function<ncclResult_t(const NcclLibrary&, ncclComm_t)>;
  // Makes a call and waits until the library has taken it; inside a group, only makes it.
  void call(const char* name, const Call& make);
  void group_begin();
  void group_end();
  bool grouping() const { return grouping_; }
  // `event` follows everything that was called so far.
  void issued(EventId event);
  void check() const;  // throws what went wrong

  // Gives up; any thread, returns at once.
  void give_up(const std::string& why);

 private:
  struct State;
  [[noreturn]] void fail(const std::string& why);
  void call_in_group(const char* name, const Call& make);
  void settle(const char* name, ncclResult_t result);
  void start(int size, int rank, const ncclUniqueId& id);
  void finish() noexcept;

  // Shared with the thread: should ncclCommAbort never return, the thread is left behind.
  std::shared_ptr<State> state_;
  bool grouping_ = false;
  std::thread watch_;
};

}  // namespace ballast
