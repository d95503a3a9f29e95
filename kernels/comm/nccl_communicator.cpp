#include "kernels/comm/nccl_communicator.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "libcore/base/device_error.h"

namespace ballast {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kLook = 50ms;         // how often the device is looked at
constexpr auto kAbortPatience = 2s;  // for a call that is under way
constexpr auto kEndPatience = 10s;   // for the others when everything is done, and for an abort

// Gives the core away between looks, and sleeps when it takes longer.
class Nap {
 public:
  void take() {
    if (++taken_ < 200) {
      ::sched_yield();
    } else {
      std::this_thread::sleep_for(50us);
    }
  }

 private:
  int taken_ = 0;
};

}  // namespace

struct NcclCommunicator::State {
  std::shared_ptr<const NcclLibrary> nccl;
  const DeviceAccess* device = nullptr;
  std::string place;
  std::chrono::seconds timeout{};
  ncclComm_t comm = nullptr;
  // Held while a call is made and settled, and by whoever ends the communicator.
  std::timed_mutex calls;
  std::atomic<bool> given_up = false;

  std::mutex mutex;  // of all below
  std::condition_variable changed;
  std::string why;
  bool stopping = false, ended = false;
  EventId issued = 0;

  void give_up(const std::string& text) {
    const std::lock_guard lock(mutex);
    if (!given_up) why = text;
    given_up = true;
    changed.notify_all();
  }
  std::string reason() {
    const std::lock_guard lock(mutex);
    return why;
  }
  std::string describe(const std::string& name, ncclResult_t result) const {
    std::string text =
        fmt::format("nccl: {}: {}: {}", place, name, nccl->ncclGetErrorString(result));
    const char* last = nccl->ncclGetLastError(comm);
    std::string detail = last == nullptr ? "" : last;
    std::replace(detail.begin(), detail.end(), '\n', ' ');
    while (detail.ends_with(' ')) detail.pop_back();
    if (!detail.empty()) text += " (" + detail + ")";
    return text;
  }

  void watch();
  bool pause();
  void look();
  void abort_it();

  // The event that the device has to come to, and since when: one at a time is enough.
  EventId awaited = 0;
  Clock::time_point since;
};

// Returns false when there is nothing more to watch.
bool NcclCommunicator::State::pause() {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, kLook, [&] { return stopping || given_up; });
  return !stopping && !given_up;
}

void NcclCommunicator::State::watch() {
  while (pause()) {
    try {
      look();
    } catch (const DeviceError& failure) {  // of the device itself
      give_up(failure.what());
    }
  }
  if (given_up) abort_it();
  const std::lock_guard lock(mutex);
  ended = true;
  changed.notify_all();
}

void NcclCommunicator::State::look() {
  const std::unique_lock call(calls, std::try_to_lock);
  if (!call.owns_lock() || comm == nullptr) return;  // whoever makes a call looks for itself
  ncclResult_t result = ncclSuccess;
  const ncclResult_t asked = nccl->ncclCommGetAsyncError(comm, &result);
  if (asked != ncclSuccess) result = asked;
  if (result != ncclSuccess && result != ncclInProgress)
    return give_up(describe("an operation failed", result));
  EventId latest = 0;
  {
    const std::lock_guard lock(mutex);
    latest = issued;
  }
  if (awaited == 0 || device->reached(awaited)) {
    awaited = awaited == latest ? 0 : latest;
    since = Clock::now();
  } else if (Clock::now() - since > timeout) {
    give_up(
        fmt::format("nccl: {}: an operation has not ended within {} s", place, timeout.count()));
  }
}

// Lets go of the device: what waits for other ranks there ends.
void NcclCommunicator::State::abort_it() {
  const std::unique_lock call(calls, kAbortPatience);
  if (call.owns_lock() && comm != nullptr) {
    nccl->ncclCommAbort(comm);
    comm = nullptr;
  }
}

NcclCommunicator::NcclCommunicator(std::shared_ptr<const NcclLibrary> library,
                                   const DeviceAccess& device, int size, int rank,
                                   const ncclUniqueId& id, int timeout_s)
    : state_(std::make_shared<State>()) {
  state_->nccl = std::move(library);
  state_->device = &device;
  state_->place = fmt::format("rank {}", rank);
  state_->timeout = std::chrono::seconds(timeout_s);
  try {
    start(size, rank, id);
  } catch (const DeviceError&) {
    state_->abort_it();
    throw;
  }
  watch_ = std::thread([state = state_] { state->watch(); });
}

void NcclCommunicator::start(int size, int rank, const ncclUniqueId& id) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  State& s = *state_;
  const std::unique_lock call(s.calls);
  settle("ncclCommInitRankConfig",
         s.nccl->ncclCommInitRankConfig(&s.comm, size, id, rank, &config));
}

NcclCommunicator::~NcclCommunicator() {
  finish();
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.stopping = true;
  s.changed.notify_all();
  const bool ended = s.changed.wait_for(lock, kEndPatience, [&] { return s.ended; });
  lock.unlock();
  if (ended) {
    watch_.join();
  } else {
    watch_.detach();
  }
}

// ncclCommDestroy alone would wait for the other ranks without end.
void NcclCommunicator::finish() noexcept {
  State& s = *state_;
  if (s.given_up) return;
  const std::unique_lock call(s.calls);
  const auto deadline = Clock::now() + std::min<Clock::duration>(kEndPatience, s.timeout);
  ncclResult_t result = s.nccl->ncclCommFinalize(s.comm);
  for (Nap nap; result == ncclInProgress && Clock::now() < deadline && !s.given_up; nap.take())
    if (s.nccl->ncclCommGetAsyncError(s.comm, &result) != ncclSuccess) break;
  if (result != ncclSuccess) return s.give_up("nccl: not all ranks have come to the end");
  s.nccl->ncclCommDestroy(s.comm);
  s.comm = nullptr;
}

const NcclLibrary& NcclCommunicator::library() const { return *state_->nccl; }

void NcclCommunicator::check() const {
  if (state_->given_up) throw DeviceError(state_->reason());
}

void NcclCommunicator::give_up(const std::string& why) { state_->give_up(why); }

void NcclCommunicator::fail(const std::string& why) {
  state_->give_up(why);
  throw DeviceError(state_->reason());
}

void NcclCommunicator::settle(const char* name, ncclResult_t result) {
  State& s = *state_;
  const auto deadline = Clock::now() + s.timeout;
  for (Nap nap; result == ncclInProgress; nap.take()) {
    check();
    if (Clock::now() > deadline)
      fail(fmt::format("nccl: {}: {} has not ended within {} s", s.place, name, s.timeout.count()));
    const ncclResult_t asked = s.nccl->ncclCommGetAsyncError(s.comm, &result);
    if (asked != ncclSuccess) result = asked;
  }
  if (result != ncclSuccess) fail(s.describe(name, result));
}

void NcclCommunicator::call(const char* name, const Call& make) {
  if (grouping_) return call_in_group(name, make);
  State& s = *state_;
  const std::unique_lock call(s.calls);
  check();
  settle(name, make(*s.nccl, s.comm));
}

// A group that cannot go on is closed, whatever comes of it: the communicator has to end.
void NcclCommunicator::call_in_group(const char* name, const Call& make) {
  State& s = *state_;
  ncclResult_t result = ncclSuccess;
  if (!s.given_up) result = make(*s.nccl, s.comm);
  if (!s.given_up && (result == ncclSuccess || result == ncclInProgress)) return;
  const std::string why = s.given_up ? s.reason() : s.describe(name, result);
  s.nccl->ncclGroupEnd();
  grouping_ = false;
  s.calls.unlock();
  fail(why);
}

// The lock is kept from begin to end: nothing may end a communicator whose group is open.
void NcclCommunicator::group_begin() {
  BALLAST_CHECK(!grouping_);
  State& s = *state_;
  s.calls.lock();
  grouping_ = true;
  if (!s.given_up && s.nccl->ncclGroupStart() == ncclSuccess) return;
  grouping_ = false;
  s.calls.unlock();
  fail("nccl: cannot begin a group");
}

void NcclCommunicator::group_end() {
  BALLAST_CHECK(grouping_);
  State& s = *state_;
  grouping_ = false;
  const std::unique_lock call(s.calls, std::adopt_lock);
  const ncclResult_t result = s.nccl->ncclGroupEnd();
  check();
  settle("ncclGroupEnd", result);
}

void NcclCommunicator::issued(EventId event) {
  const std::lock_guard lock(state_->mutex);
  state_->issued = event;
}

}  // namespace ballast
