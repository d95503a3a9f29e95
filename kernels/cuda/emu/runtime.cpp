#include "kernels/cuda/runtime.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <new>
#include <vector>

#include "kernels/cuda/emu/emulated_stream.h"
#include "kernels/cuda/emu/emulator.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {

constexpr std::align_val_t kAlignment{256};
constexpr size_t kStreams = 3;

// The n-th event of a stream, n from 1: n * kStreams + stream.
struct Place {
  size_t stream;
  uint64_t count;
  explicit Place(EventId event) : stream(event % kStreams), count(event / kStreams) {}
};

}  // namespace

// Streams are queues, and nothing runs before the host waits for it or another stream does: what
// is read without waiting, or written again too early, is wrong here every time and not once in a
// thousand runs on a device.
struct Runtime::State {
  struct Queue final : EmulatedStream {
    void enqueue(std::function<void()> next) override { work.push_back(std::move(next)); }
    std::deque<std::function<void()>> work;
    uint64_t recorded = 0;              // events
    std::atomic<uint64_t> reached = 0;  // read by any thread
  };
  std::array<Queue, kStreams> queues;
  std::vector<Stream> streams;
  std::map<const void*, int64_t> sizes;  // of what is allocated
  DeviceCounts counts;
  bool muted = false;

  void run_until(const Place& place) {
    Queue& queue = queues[place.stream];
    while (queue.reached < place.count) run_next(queue);
  }
  void run_all() {
    for (Queue& queue : queues) {
      while (!queue.work.empty()) run_next(queue);
    }
  }
  static void run_next(Queue& queue) {
    const std::function<void()> work = std::move(queue.work.front());
    queue.work.pop_front();
    work();
  }
};

void Stream::enqueue(std::function<void()> work) const {
  if (*muted_) return;
  static_cast<EmulatedStream*>(handle_)->enqueue(std::move(work));
}

Runtime::Runtime(int, int, ThreadPool& pool) : state_(std::make_unique<State>()) {
  for (EmulatedStream& queue : state_->queues)
    state_->streams.emplace_back(&queue, &pool, &state_->muted);
}
Runtime::~Runtime() { write_counts(name(), state_->counts); }

std::string Runtime::name() const { return "emu"; }
std::string Runtime::description() const { return "CUDA kernels emulated on the host"; }

bool Runtime::has_warpgroups() const { return true; }

void* Runtime::allocate(int64_t bytes) {
  try {
    void* data = ::operator new(static_cast<size_t>(bytes), kAlignment);
    std::memset(data, emu::settings().fill, static_cast<size_t>(bytes));
    state_->sizes[data] = bytes;
    DeviceCounts& counts = state_->counts;
    ++counts.allocations;
    counts.bytes += bytes;
    counts.peak_bytes = std::max(counts.peak_bytes, counts.bytes);
    return data;
  } catch (const std::bad_alloc&) {
    throw DeviceError(fmt::format("emu: no memory for {} bytes", bytes));
  }
}

// Waits for all work, as cudaFree does.
void Runtime::release(void* data) {
  state_->run_all();
  const auto found = state_->sizes.find(data);
  state_->counts.bytes -= found->second;
  state_->sizes.erase(found);
  ::operator delete(data, kAlignment);
}

void* Runtime::allocate_host(int64_t bytes) { return ::operator new(static_cast<size_t>(bytes)); }
void Runtime::release_host(void* data) {
  state_->run_all();
  ::operator delete(data);
}

void Runtime::copy_in(void* device, const void* host, int64_t bytes, StreamId id) {
  stream(id).enqueue([=] { std::memcpy(device, host, static_cast<size_t>(bytes)); });
}
void Runtime::copy_out(void* host, const void* device, int64_t bytes, StreamId id) {
  stream(id).enqueue([=] { std::memcpy(host, device, static_cast<size_t>(bytes)); });
}
void Runtime::zero(void* device, int64_t bytes, StreamId id) {
  stream(id).enqueue([=] { std::memset(device, 0, static_cast<size_t>(bytes)); });
}

EventId Runtime::record(StreamId id) {
  State::Queue& queue = state_->queues[static_cast<size_t>(id)];
  queue.enqueue([&queue] { ++queue.reached; });
  return ++queue.recorded * kStreams + static_cast<size_t>(id);
}
void Runtime::wait(StreamId id, EventId event) {
  if (event == 0) return;
  stream(id).enqueue([this, event] { state_->run_until(Place(event)); });
}
void Runtime::synchronize(EventId event) {
  if (reached(event)) return;
  ++state_->counts.waits;
  state_->run_until(Place(event));
}
bool Runtime::reached(EventId event) const {
  if (event == 0) return true;
  const Place place(event);
  return state_->queues[place.stream].reached >= place.count;
}
void Runtime::mute(bool muted) { state_->muted = muted; }
const DeviceCounts& Runtime::counts() const { return state_->counts; }
// Every backend is a device of its own.
std::string Runtime::identity() const {
  return fmt::format("emulation {}.{}", ::getpid(), fmt::ptr(this));
}
const Stream& Runtime::stream(StreamId id) const {
  return state_->streams[static_cast<size_t>(id)];
}

}  // namespace ballast

// For tests: 0 ascending, 1 descending, 2 shuffled; the byte of unwritten memory.
extern "C" void ballast_emulation_configure(int order, int fill) {
  ballast::emu::configure({static_cast<ballast::emu::Order>(order), static_cast<uint8_t>(fill)});
}
